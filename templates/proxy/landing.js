"use strict";
// The state of each service, as the host last wrote it (every 15 s); older than a minute counts as unknown.
const WORDS = { up: "Up", starting: "Starting", down: "Down", unknown: "State unknown" };
const STALE_MS = 60000;

function show(card, state) {
  const place = card.querySelector(".state");
  place.dataset.state = state;
  if (place.textContent !== WORDS[state]) place.textContent = WORDS[state];
}

async function refresh() {
  let services = {};
  try {
    const answer = await fetch("/status.json", { cache: "no-store" });
    const status = await answer.json();
    const now = Date.parse(answer.headers.get("date")) || Date.now(); // the host's clock, not the visitor's
    if (now - Date.parse(status.checked) < STALE_MS) services = status.services;
  } catch {
    // the host does not answer: all states are unknown
  }
  for (const card of document.querySelectorAll("[data-service]")) {
    const state = services[card.dataset.service]?.state;
    show(card, state in WORDS ? state : "unknown");
  }
}

refresh();
setInterval(refresh, 15000);

// What users said of their apps (workbench_host/apps/listed.py). Text never becomes anything but text, and an address is
// always one below its kind, its user and its name.
async function list(section) {
  const answer = await fetch("/apps.json", { cache: "no-store" });
  const apps = answer.ok ? await answer.json() : [];
  const entries = apps.map(({ kind, user, app, title }) => {
    const link = document.createElement("a");
    link.href = `/${[kind, user, app].map(encodeURIComponent).join("/")}/`;
    link.textContent = title;
    const owner = document.createElement("span");
    owner.className = "quiet";
    owner.textContent = `of ${user}`;
    const entry = document.createElement("li");
    entry.append(link, " ", owner);
    return entry;
  });
  section.querySelector("ul").replaceChildren(...entries);
  section.hidden = entries.length === 0;
}

const section = document.querySelector("[data-apps]");
if (section) list(section).catch(() => {}); // the page is whole without it
