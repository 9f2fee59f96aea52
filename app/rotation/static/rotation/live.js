// Looks at the rotation once a second and shows what has changed; no button is ever replaced.
"use strict";

const EVERY = 1000; // milliseconds
const PATIENCE = 5000; // milliseconds that an answer may take
const page = document.getElementById("rotation");
const PARTS = ["headline", "details"]; // of the page, that an answer brings anew
const lost = document.getElementById("lost");
let seen = new Date();

/** Show what can be done now, and hide the rest. */
function offer(actions) {
  for (const element of page.querySelectorAll("[data-action]")) {
    element.hidden = !actions.split(" ").includes(element.dataset.action);
  }
  const steering = document.getElementById("steering");
  if (steering) steering.hidden = !actions;
}

/** Ask once; whether it is to be asked again. */
async function look() {
  const answer = await fetch(page.dataset.live, {
    signal: AbortSignal.timeout(PATIENCE),
    redirect: "error",
    cache: "no-store",
  });
  if (!answer.ok) throw new Error(answer.status);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of PARTS) {
    document.getElementById(part).replaceWith(fresh.getElementById(part));
  }
  offer(answer.headers.get("X-Rotation-Actions") || "");
  seen = new Date();
  return answer.headers.get("X-Rotation-Over") !== "yes";
}

async function watch() {
  let again = true;
  try {
    again = await look();
    lost.hidden = true;
  } catch {
    document.getElementById("lost-since").textContent = seen.toLocaleTimeString();
    lost.hidden = false;
  }
  if (again) setTimeout(watch, EVERY);
}

offer(page.dataset.actions);
if (page.dataset.over !== "yes") setTimeout(watch, EVERY);
