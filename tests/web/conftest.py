"""Browsers of those who may look, and of those who may steer."""

import pytest
from django.test import Client

from tests.conftest import Database


@pytest.fixture
def viewer(db: Database) -> Client:
    from tests.web.site import VIEW, client_of  # not before Django is set up

    return client_of(*VIEW)


@pytest.fixture
def steerer(db: Database) -> Client:
    from tests.web.site import VIEW, client_of  # not before Django is set up

    return client_of(*VIEW, "change_rotation", "add_rotation", "view_ticket")
