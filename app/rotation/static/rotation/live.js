// Polls the rotation once a second and shows what changed; buttons are never replaced.
"use strict";

const EVERY = 1000; // milliseconds
const PATIENCE = 5000; // milliseconds to wait for an answer
const WHY = {
  lost: "The connection is lost.",
  302: "You are signed out: sign in again, here or in another tab.",
  403: "You may no longer view rotations.",
  404: "This rotation is gone: the site now uses another database.",
};
const page = document.getElementById("rotation");
const news = document.getElementById("news");
const lost = document.getElementById("lost");
let seen = new Date();
let told = "";

/** Show what can be done now, and hide the rest. */
function offer(actions) {
  for (const element of page.querySelectorAll("[data-action]")) {
    element.hidden = !actions.split(" ").includes(element.dataset.action);
  }
  const steering = document.getElementById("steering");
  if (steering) steering.hidden = !actions;
}

/** Whether the user is focused on or selecting a part, which then must not change. */
function inUse(part) {
  const selection = document.getSelection();
  const selects = selection && !selection.isCollapsed && selection.containsNode(part, true);
  // Scrolling a table focuses it, which replace() keeps, so only focus inside it counts.
  const inside = part !== document.activeElement && part.contains(document.activeElement);
  return selects || inside;
}

/** Replace a part, keeping its focus and scroll position. */
function replace(old, fresh) {
  const focused = old === document.activeElement;
  const left = old.scrollLeft;
  old.replaceWith(fresh);
  fresh.scrollLeft = left;
  if (focused) fresh.focus({ preventScroll: true });
}

/** Announce a new state or reason to wait to screen readers; numbers alone are not news. */
function announce(silently) {
  const where = page.querySelector("[data-part=where]").textContent.replace(/\s+/g, " ").trim();
  const what = where.replace(/[\d.,]+/g, "");
  if (what !== told && !silently) {
    news.textContent = `${where}. ${page.querySelector("[data-part=sentence]").textContent}`;
  }
  told = what;
}

/** Ask once; returns whether to ask again. */
async function look() {
  const answer = await fetch(page.dataset.live, {
    signal: AbortSignal.timeout(PATIENCE),
    redirect: "manual",
    cache: "no-store",
  });
  if (answer.type === "opaqueredirect") throw new Error("302");
  if (!answer.ok) throw new Error(answer.status);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  let stale = false;
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const old = page.querySelector(`[data-part=${part.dataset.part}]`);
    if (!old || old.outerHTML === part.outerHTML) continue;
    if (inUse(old)) stale = true;
    else replace(old, document.adoptNode(part));
  }
  announce();
  offer(answer.headers.get("X-Rotation-Actions") || "");
  seen = new Date();
  return stale || answer.headers.get("X-Rotation-Over") !== "yes";
}

/** Show that the page is stale, and why. */
function despair(error) {
  const code = /^\d+$/.test(error.message) ? error.message : "lost";
  const why = WHY[code] || `The site returned an error (${code}).`;
  if (lost.hidden || document.getElementById("lost-why").textContent !== why) news.textContent = why;
  document.getElementById("lost-why").textContent = why;
  document.getElementById("lost-since").textContent = seen.toLocaleTimeString();
  lost.hidden = false;
}

async function watch() {
  let again = true;
  try {
    again = await look();
    lost.hidden = true;
  } catch (error) {
    despair(error);
  }
  if (again) setTimeout(watch, EVERY);
}

offer(page.dataset.actions);
announce(true);
if (page.dataset.over !== "yes") setTimeout(watch, EVERY);
