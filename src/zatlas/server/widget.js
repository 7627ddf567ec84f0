/** Shows the page in a frame, and passes its messages to the kernel and back. */

const NAME = "zatlas"; // of the messages that connect the frame

function render({ model, el }) {
  const view = Math.random().toString(36).slice(2); // a widget can be shown several times
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:100%;height:${model.get("height")}px;border:0`;
  frame.allow = "fullscreen";
  let port = null;

  const fromPage = ({ data: { bytes, ...message } }) => {
    if (message.kind !== "state") return model.send({ ...message, view }, undefined, bytes ? [bytes] : []);
    for (const name of ["active", "selection", "pins"]) model.set(name, message[name]);
    model.save_changes();
  };
  const connect = ({ source, data }) => {
    if (source !== frame.contentWindow || data !== NAME) return;
    const channel = new MessageChannel();
    port = channel.port1;
    port.onmessage = fromPage;
    source.postMessage(NAME, "*", [channel.port2]);
  };
  const fromKernel = (message, buffers) => {
    if (message.view && message.view !== view) return;
    const [data] = buffers ?? [];
    const bytes = data && new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice().buffer;
    if (message.kind === "page") frame.srcdoc = new TextDecoder().decode(bytes);
    else port?.postMessage({ ...message, bytes }, bytes ? [bytes] : []);
  };
  const live = () => model.comm_live === false && port?.postMessage({ kind: "gone" });

  addEventListener("message", connect);
  model.on("msg:custom", fromKernel);
  model.on("comm_live_update", live);
  el.append(frame);
  model.send({ kind: "page", view });
  return () => {
    removeEventListener("message", connect);
    model.off("msg:custom", fromKernel);
    model.off("comm_live_update", live);
  };
}

export default { render };
