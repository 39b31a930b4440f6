"use strict";
// The administrator's notices in JupyterLab: a prebuilt extension, written by hand, so that nothing has to be built. To
// JupyterLab that is a container of module federation, which is given what JupyterLab itself has loaded (init) and gives
// its plugins (get). Source: jupyterlab 4, staging/bootstrap.js and index.js. What is shown, and when, is for the script
// that all pages of the workbench have.
(() => {
  const AREA = "workbench-notices";
  let shared;

  async function widgets() {
    const [version] = Object.values(shared["@lumino/widgets"]);
    return (await version.get())();
  }

  function load(tag, properties) {
    document.head.append(Object.assign(document.createElement(tag), properties));
  }

  const plugin = {
    id: `${AREA}:plugin`,
    description: "Shows the administrator's notices above the menu.",
    autoStart: true,
    activate: async (app) => {
      const { Widget } = await widgets();
      const area = new Widget();
      area.id = AREA;
      const place = document.createElement("div");
      place.dataset.notices = "closable";
      area.node.append(place);
      app.shell.add(area, "header");
      // JupyterLab's layout goes by the least height that a part says it needs.
      new ResizeObserver(() => {
        area.node.style.minHeight = `${place.offsetHeight}px`;
        area.parent?.fit();
      }).observe(place);
      // The area is part of the page from here on.
      void app.restored.then(() => {
        load("link", { rel: "stylesheet", href: "/notice.css" });
        load("script", { src: "/notice.js" });
      });
    },
  };

  (window._JUPYTERLAB ??= {})["workbench-notice"] = {
    init: (scope) => {
      shared = scope;
    },
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
