// ipywidgets' sliders beside an explorer: joined to its traits, and given what they lack. They could be joined by jslink, but
// its link models are not made everywhere (Google Colab's front end makes only what it shows). So this one file relies on the
// widget manager, which anywidget hands out and means to hand out less of.

/** Join the sliders that model's trait `sliders` names: trait -> [a slider's id, its attribute, traits for its min and max]. */
export async function joinSliders(model, signal) {
  const joined = Object.entries(model.get("sliders")).map(async ([trait, [id, attribute, low, high]]) => {
    const slider = await model.widget_manager?.get_model?.(id);
    if (!slider) throw new Error("anywidget hands out no widget_manager.get_model that finds its sliders");
    join(slider, attribute, model, trait, signal);
    if (!low) return;
    join(slider, "min", model, low, signal);
    join(slider, "max", model, high, signal);
  });
  await Promise.all(joined);
}

// Two traits that are one in the page; first the slider's counts, for a reader may have moved it already.
function join(slider, attribute, model, trait, signal) {
  // Google Colab's slider over choices gives 5.000000000000001 for the fifth.
  const at = (one, name) => (attribute === "index" ? Math.round(one.get(name)) : one.get(name));
  const ways = [[slider, attribute, model, trait], [model, trait, slider, attribute]];
  for (const [from, source, to, target] of ways) {
    const pass = () => {
      if (at(to, target) === at(from, source)) return;
      to.set(target, at(from, source));
      to.save_changes();
    };
    pass();
    from.on(`change:${source}`, pass);
    signal.addEventListener("abort", () => from.off(`change:${source}`, pass));
  }
}

/**
 * Give the sliders in an explorer's box what ipywidgets leaves out: a name on the handle for screen readers, no title that
 * says "null"; and to all that takes keys the mark that keeps JupyterLab from taking them first. They may appear after the
 * explorer.
 */
export function nameSliders(box, signal) {
  const repair = () => {
    for (const one of box.querySelectorAll("input, select, [tabindex]")) one.setAttribute("data-lm-suppress-shortcuts", "true");
    for (const slider of box.querySelectorAll(".widget-slider")) {
      const handle = slider.querySelector(".noUi-handle, .ui-slider-handle, [type=range]");
      const label = slider.querySelector(".widget-label");
      if (label?.title === "null") label.removeAttribute("title");
      if (!handle || !label || handle.hasAttribute("aria-label")) continue;
      handle.setAttribute("aria-label", label.textContent);
      slider.querySelector(".widget-readout")?.setAttribute("aria-label", `${label.textContent}, typed`);
    }
  };
  repair();
  const observer = new MutationObserver(repair);
  observer.observe(box, { childList: true, subtree: true });
  signal.addEventListener("abort", () => observer.disconnect());
}
