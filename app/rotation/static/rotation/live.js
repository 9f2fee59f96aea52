// Polls a page's live parts and shows what changed; buttons and fields are never replaced.
"use strict";

const PATIENCE = 5000; // milliseconds to wait for an answer
const WIDE = "(min-width: 1024px)"; // where there is room for what a phone folds
const WHY = {
  lost: "The connection is lost.",
  302: "You are signed out: sign in again, here or in another tab.",
  403: "You may no longer view rotations.",
  404: "This rotation is gone: the site now uses another database.",
};
const page = document.querySelector("[data-live]");
const every = Number(page.dataset.every || 1000); // milliseconds
const news = document.getElementById("news");
const lost = document.getElementById("lost");
const title = document.title;
const told = new Map();
let seen = new Date();

/** Show what can be done now, and hide the rest. */
function offer(actions) {
  for (const element of page.querySelectorAll("[data-action]")) {
    element.hidden = !actions.split(" ").includes(element.dataset.action);
  }
  const steering = document.getElementById("steering");
  if (steering) steering.hidden = !actions;
}

/** Open what a wide window has room for, and what this user left open; remember what is opened. */
function unfold() {
  const wide = matchMedia(WIDE).matches;
  for (const fold of page.querySelectorAll("details[id]")) {
    const key = `rotation.${fold.id}`;
    const kept = sessionStorage.getItem(key);
    fold.open ||= kept ? kept === "open" : wide && "wide" in fold.dataset;
    fold.firstElementChild.addEventListener("click", () => {
      sessionStorage.setItem(key, fold.open ? "shut" : "open"); // which it is about to be
    });
  }
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

/** Take over what changed; returns whether something had to wait for the user. */
function update(fresh) {
  let stale = false;
  const take = (old, part) => {
    if (old.outerHTML === part.outerHTML) return;
    if (inUse(old)) stale = true;
    else replace(old, document.adoptNode(part));
  };
  // Where other parts are listed than before, such as a new rotation, their whole is replaced.
  for (const whole of fresh.querySelectorAll("[data-whole]")) {
    const old = page.querySelector(`[data-whole=${whole.dataset.whole}]`);
    const names = (one) => Array.from(one.querySelectorAll("[data-part]"), (part) => part.dataset.part);
    if (String(names(old)) !== String(names(whole))) take(old, whole);
  }
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const old = page.querySelector(`[data-part=${part.dataset.part}]`);
    if (old) take(old, part);
  }
  return stale;
}

/** Announce a new state or reason to wait to screen readers; numbers alone are not news. */
function announce(silently) {
  const changed = [];
  for (const one of page.querySelectorAll("[data-news]")) {
    const said = one.textContent.replace(/\s+/g, " ").trim();
    const what = said.replace(/[\d.,]+/g, "");
    if (told.get(one.dataset.part) !== what) changed.push(`${one.dataset.news} ${said}.`);
    told.set(one.dataset.part, what);
    if (one.dataset.title) document.title = `${one.dataset.title} | ${title}`;
  }
  if (!changed.length || silently) return;
  const sentence = page.querySelector("[data-part=sentence]");
  news.textContent = [...changed, sentence ? sentence.textContent : ""].join(" ").trim();
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
  const stale = update(fresh.querySelector("[data-live]") || fresh);
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
  if (document.hidden) {
    document.addEventListener("visibilitychange", watch, { once: true });
    return;
  }
  let again = true;
  try {
    again = await look();
    lost.hidden = true;
  } catch (error) {
    despair(error);
  }
  if (again) setTimeout(watch, every);
}

offer(page.dataset.actions || "");
announce(true);
if (page.dataset.over !== "yes") setTimeout(watch, every);
unfold(); // last: where the browser keeps nothing for pages, it fails
