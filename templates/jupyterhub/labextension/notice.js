"use strict";
// What JupyterLab has of the workbench: the administrator's notices, and the guide in the menu Help. It is a prebuilt
// extension, written by hand, so that nothing has to be built. To JupyterLab that is a container of module federation, which is given what JupyterLab itself has loaded (init) and gives
// its plugins (get). Source: jupyterlab 4, staging/bootstrap.js and index.js. What is shown, and when, is for the script
// that all pages of the workbench have.
(() => {
  const AREA = "workbench-notices";
  let shared;

  async function loaded(name) {
    const [version] = Object.values(shared[name]);
    return (await version.get())();
  }

  function load(tag, properties) {
    document.head.append(Object.assign(document.createElement(tag), properties));
  }

  const notices = {
    id: `${AREA}:plugin`,
    description: "Shows the administrator's notices above the menu.",
    autoStart: true,
    activate: async (app) => {
      const { Widget } = await loaded("@lumino/widgets");
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

  const guide = (IMainMenu) => ({
    id: "workbench-guide:plugin",
    description: "Opens the workbench's guide by the menu Help.",
    autoStart: true,
    optional: [IMainMenu],
    activate: (app, menu) => {
      const command = "workbench-guide:open";
      app.commands.addCommand(command, {
        label: "Workbench Guide",
        execute: () => void window.open("/guide/", "_blank", "noopener"),
      });
      menu?.helpMenu.addGroup([{ command }], -1);
    },
  });

  (window._JUPYTERLAB ??= {})["workbench-notice"] = {
    init: (scope) => {
      shared = scope;
    },
    get: async () => {
      const { IMainMenu } = await loaded("@jupyterlab/mainmenu");
      return () => ({ __esModule: true, default: [notices, guide(IMainMenu)] });
    },
  };
})();
