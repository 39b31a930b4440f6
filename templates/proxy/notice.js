"use strict";
// The administrator's notices on an open page: of ours, of the hub's, and in JupyterLab (docs/notice.md). They are asked for
// again and again and shown where the page has a place for them, else above all else. Text never becomes anything but text.
(() => {
  const POLL_MS = 5000;
  // In the place of an app's page a browser takes ours for another site's, which is told nothing.
  if (self.origin === "null") return;

  const place = document.querySelector("[data-notices]") ?? document.createElement("div");
  place.dataset.notices ??= "";
  place.setAttribute("role", "status");
  if (!place.isConnected) document.body.prepend(place);
  const closed = new Set(); // by who looks at this page, until it is loaded again
  let shown = null;

  function line(text) {
    const found = document.createElement("p");
    found.className = "workbench-notice";
    found.append(text);
    if (place.dataset.notices === "closable") {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "\u00d7";
      button.setAttribute("aria-label", "Close this notice");
      button.addEventListener("click", () => {
        closed.add(text);
        found.remove();
      });
      found.append(button);
    }
    return found;
  }

  async function refresh() {
    let notices;
    try {
      const answer = await fetch("/notice.json", { cache: "no-store", credentials: "omit" });
      if (!answer.ok) return;
      notices = (await answer.json()).notices;
    } catch {
      return; // the workbench does not answer, perhaps for the reason that is shown
    }
    if (JSON.stringify(notices) === shown) return;
    shown = JSON.stringify(notices);
    place.replaceChildren(...notices.filter((text) => !closed.has(text)).map(line));
  }

  refresh();
  setInterval(refresh, POLL_MS);
  // Browsers let pages that nobody looks at wait for a minute.
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
})();
