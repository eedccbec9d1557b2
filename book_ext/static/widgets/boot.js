// On pages with widgets this runs first: it tells require.js and the widgets' front end that
// everything they may ask for is on this site, at whatever depth the page lies.
(() => {
  const here = new URL(".", document.currentScript.src).href; // …/_static/widgets/

  // require.js takes its configuration from here. Paths have no ".js" at the end.
  window.require = {
    paths: {
      anywidget: here + "anywidget",
      "@jupyter-widgets/html-manager/dist": here.slice(0, -1), // its icon font lies there
    },
  };

  // The front end was written for MathJax 2 and queues slider labels in its Hub; hand those that
  // hold a formula to the MathJax 3 of this page, if it has one. The class is the page's mark for
  // what MathJax may touch.
  const hub = {
    Queue([, , element] = []) {
      if (!element || !/[$\\]/.test(element.textContent)) return;
      element.classList.add("mathjax_process");
      window.MathJax.startup?.promise?.then(() => window.MathJax.typesetPromise([element]));
    },
  };
  const mathJax = (window.MathJax ??= {});
  mathJax.Hub = hub;
  mathJax.startup = {
    ...mathJax.startup,
    ready() {
      window.MathJax.startup.defaultReady();
      window.MathJax.Hub = hub;
    },
  };
})();
