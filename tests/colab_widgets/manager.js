// A widget manager built as Google Colab's own public one is (googlecolab/colab-cdn-widget-manager), of the same packages at
// the same versions: a model is made when something asks for it, and what nothing asks for, as link models, never is.
import * as base from "@jupyter-widgets/base";
import { ManagerBase } from "@jupyter-widgets/base-manager";
import * as controls from "@jupyter-widgets/controls";
import "@jupyter-widgets/controls/css/labvariables.css";
import "@jupyter-widgets/controls/css/widgets-base.css";

const modules = { "@jupyter-widgets/base": base, "@jupyter-widgets/controls": controls };
// For anywidget's front end, which is an AMD module: its name is not in it.
globalThis.define = (needed, make) => (modules.anywidget = make(...needed.map((name) => modules[name])));

class Manager extends ManagerBase {
  models = new Map();
  made = []; // kinds of models, for the test

  constructor(states) {
    super();
    this.states = states;
  }

  get_model(id) {
    if (!this.models.has(id)) this.models.set(id, this.make(id));
    return this.models.get(id);
  }

  async make(model_id) {
    const state = this.states[model_id];
    if (!state) throw new Error(`no model ${model_id}`);
    const { _model_name: model_name, _model_module: model_module, _model_module_version: model_module_version } = state;
    this.made.push(model_name);
    const comm = new Comm(model_id);
    return this.new_model({ model_name, model_module, model_module_version, model_id, comm }, state);
  }

  async loadClass(name, module) {
    return modules[module][name];
  }
}

/** The kernel's end: answers a request for a file as Canvas._answer does, and is told of every change. */
class Comm {
  target_name = "jupyter.widget";

  constructor(id) {
    this.comm_id = id;
  }

  send(data, callbacks) {
    if (data.method === "custom") this.answer(data.content.path);
    else Object.assign((globalThis.kernel[this.comm_id] ??= {}), data.state);
    const idle = { content: { execution_state: "idle" }, parent_header: { msg_id: "" } };
    setTimeout(() => callbacks?.iopub?.status?.(idle));
    return "";
  }

  async answer(path) {
    const buffers = [new DataView(await (await fetch(`/asset/${path}`)).arrayBuffer())];
    this.hear({ content: { comm_id: this.comm_id, data: { method: "custom", content: { path } } }, buffers });
  }

  on_msg(hear) {
    this.hear = hear;
  }
  on_close() {}
  close() {}
}

globalThis.kernel = {}; // id -> the traits that the page has told

/** Show the widget `id` of these states in an element. */
globalThis.show = async (states, id, place) => {
  globalThis.manager = new Manager(states);
  const view = await manager.create_view(await manager.get_model(id));
  const message = (type) => ({ type, isConflatable: false, conflate: () => false });
  view.luminoWidget.processMessage(message("before-attach"));
  place.append(view.el);
  view.luminoWidget.processMessage(message("after-attach"));
};
