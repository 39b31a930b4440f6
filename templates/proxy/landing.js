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
