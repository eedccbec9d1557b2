// On pages of the book: draws the widgets whose state a page has saved, where it knows them all. A page with others has
// Jupyter's own scripts for it instead, half a megabyte of gzip and more; book_ext reads below which widgets are known.
{
  const PAGE_KEYS = 5; // PageUp and PageDown go so many steps, as ipywidgets' sliders do
  let count = 0;

  /** A widget's state, with as much of a Backbone model as anywidget hands out. */
  class Model {
    constructor(state, widget_manager) {
      Object.assign(this, { state, widget_manager, heard: new Map() });
    }
    get(name) {
      return this.state[name];
    }
    set(name, value) {
      const changes = Object.entries(typeof name === "string" ? { [name]: value } : name).filter(
        ([key, now]) => now !== this.state[key],
      );
      for (const [key, now] of changes) this.state[key] = now;
      for (const [key, now] of changes) this.tell(`change:${key}`, now);
      if (changes.length) this.tell("change");
    }
    tell(event, value) {
      for (const hear of [...(this.heard.get(event) ?? [])]) hear(this, value);
    }
    on(event, hear) {
      this.heard.set(event, [...(this.heard.get(event) ?? []), hear]);
    }
    off(event, hear) {
      this.heard.set(event, hear ? (this.heard.get(event) ?? []).filter((other) => other !== hear) : []);
    }
    // No kernel is behind the page.
    save_changes() {}
    send() {}
  }

  const made = (tag, className, more = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), { className, ...more });
    element.append(...children);
    return element;
  };

  /** d3's formats, of which our sliders use two: "d" and ".2f", with a true minus. */
  const written = (value, format) => value.toFixed(/\.(\d+)f/.exec(format)?.[1] ?? 0).replace("-", "−");
  const within = (model, value) => Math.max(model.get("min"), Math.min(model.get("max"), value));

  /** A label, a range, and what it stands at: readout, which shows(text); the trait `name` follows, and is followed. */
  function slider(model, name, readout, text) {
    const id = `vaelib-slider-${(count += 1)}`;
    const label = made("label", "widget-label", { htmlFor: id, textContent: model.get("description") });
    const range = made("input", "", { type: "range", id });
    range.setAttribute("aria-label", label.textContent);
    const show = () => {
      for (const limit of ["min", "max", "step"]) range[limit] = model.get(limit);
      range.value = model.get(name);
      readout.value = text();
      range.setAttribute("aria-valuetext", readout.value);
    };
    range.addEventListener("input", () => model.set(name, range.valueAsNumber));
    range.addEventListener("keydown", (event) => {
      if (!/^Page(Up|Down)$/.test(event.key)) return;
      event.preventDefault();
      event.key === "PageUp" ? range.stepUp(PAGE_KEYS) : range.stepDown(PAGE_KEYS);
      model.set(name, range.valueAsNumber);
    });
    model.on("change", show);
    show();
    if (/[$\\]/.test(label.textContent) && globalThis.MathJax) {
      label.classList.add("mathjax_process");
      MathJax.startup?.promise?.then(() => MathJax.typesetPromise([label]));
    }
    return made("div", "jupyter-widgets widget-inline-hbox widget-slider", {}, label, range, readout);
  }

  // A widget that is added here is drawn by us; its defaults are those of ipywidgets' scripts, which a page does not save.
  const views = {
    VBoxModel: {
      draw(model, drawn) {
        return made("div", "jupyter-widgets widget-container widget-box widget-vbox", {}, ...model.get("children").map(drawn));
      },
    },
    FloatSliderModel: {
      defaults: { description: "", value: 0, min: 0, max: 100, step: 0.1, readout_format: ".2f" },
      draw(model) {
        const readout = made("input", "widget-readout", { type: "text", autocomplete: "off", enterKeyHint: "done" });
        readout.setAttribute("aria-label", `${model.get("description")}, typed`);
        const text = () => written(model.get("value"), model.get("readout_format"));
        readout.addEventListener("change", () => {
          const typed = parseFloat(readout.value.replace("−", "-").replace(",", "."));
          if (Number.isFinite(typed)) model.set("value", within(model, typed));
          readout.value = text();
        });
        for (const limit of ["min", "max"])
          model.on(`change:${limit}`, () => model.set("value", within(model, model.get("value"))));
        return slider(model, "value", readout, text);
      },
    },
    SelectionSliderModel: {
      defaults: { description: "", index: 0, min: 0, step: 1 },
      draw(model) {
        const labels = model.get("_options_labels");
        model.set("max", labels.length - 1);
        return slider(model, "index", made("output", "widget-readout"), () => labels[model.get("index")]);
      },
    },
    AnyModel: {
      draw(model) {
        const el = made("div", "jupyter-widgets");
        const code = new Blob([model.get("_esm")], { type: "text/javascript" });
        import(URL.createObjectURL(code)).then((module) => module.default.render({ model, el }));
        return el;
      },
    },
  };

  const MIME = "application/vnd.jupyter.widget";
  const saved = JSON.parse(document.querySelector(`script[type="${MIME}-state+json"]`)?.textContent ?? '{ "state": {} }').state;
  const models = new Map();
  const widget_manager = { get_model: async (id) => models.get(id) };
  for (const [id, { model_name, state }] of Object.entries(saved))
    models.set(id, new Model({ ...views[model_name]?.defaults, ...state }, widget_manager));
  const drawn = (name) => {
    const model = models.get(name.replace("IPY_MODEL_", ""));
    return views[model.get("_model_name")].draw(model, drawn);
  };
  for (const mark of document.querySelectorAll(`script[type="${MIME}-view+json"]`))
    mark.before(made("div", "widget-subarea", {}, drawn(JSON.parse(mark.textContent).model_id)));
}
