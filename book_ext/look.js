// A switch in the header that hides all code of the book, remembered from page to page. Where nothing
// may be remembered (some browsers refuse it to files and in private windows) it holds for the page.
(() => {
  const root = document.documentElement;
  const remember = (value) => {
    try {
      if (value) localStorage.setItem("code", value);
      return localStorage.getItem("code");
    } catch {
      return null;
    }
  };
  if (remember() === "hidden") root.dataset.code = "hidden"; // before anything is drawn
  // As the theme's own script says when all has been read: by then the page has been drawn, its code without colours and a
  // fifth too high, and is drawn anew.
  if (root.dataset.theme === "auto") root.dataset.theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  // Paper is white, and code has the colours of the page's theme.
  let theme;
  matchMedia("print").addEventListener("change", ({ matches }) => {
    if (matches) theme = root.dataset.theme;
    root.dataset.theme = matches ? "light" : theme;
  });
  document.addEventListener("DOMContentLoaded", () => {
    const header = document.querySelector(".article-header-buttons");
    if (!header || !document.querySelector("div.cell_input")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "btn btn-sm code-switch";
    button.title = "Hide all code";
    button.setAttribute("aria-label", "Hide all code");
    button.innerHTML = '<span aria-hidden="true">&lt;/&gt;</span>';
    const show = () => button.setAttribute("aria-pressed", String(root.dataset.code === "hidden"));
    button.addEventListener("click", () => {
      // What is being read stays where it is while the code above it comes or goes.
      const top = (e) => e.getBoundingClientRect().top;
      const prose = ".bd-article :is(h1, h2, h3, section > p, section > ul, .cell > .cell_output)";
      const read = [...document.querySelectorAll(prose)].find((e) => top(e) > 60);
      const before = read && top(read);
      root.dataset.code = root.dataset.code === "hidden" ? "shown" : "hidden";
      remember(root.dataset.code);
      show();
      if (read && window.scrollY > 0) window.scrollBy({ top: top(read) - before, behavior: "instant" });
    });
    show();
    header.prepend(button);
  });
})();
