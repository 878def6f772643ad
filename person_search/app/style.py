"""How the page looks, and what its parts tell the server about clicks."""

CSS = """
.gradio-container { max-width: 1500px !important; padding: 0.4rem 0.8rem !important; }
main.app, .main.app { padding: 0 !important; max-width: none !important; }
.gradio-container .html-container, #status { padding: 0 !important; }
#score .head { flex-wrap: nowrap; white-space: nowrap; }
#upload .wrap { font-size: 0.85rem; line-height: 1.3; padding: 0; }
#upload .wrap .icon-wrap { width: 20px; margin: 0; }

.ps-status {
  margin: 0; padding: 0.35rem 0.7rem; min-height: 1.4rem;
  border-radius: 6px; background: #eef3fb; color: #1f3f77;
}
.ps-status.ps-wrong { background: #fdecea; color: #9c1c12; }
.ps-status:empty { visibility: hidden; }
.ps-faint { color: #6b6b6b; font-size: 0.8rem; }
.ps-empty { color: #6b6b6b; padding: 3rem 0; text-align: center; }
.ps-line { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.ps-none {
  display: flex; align-items: center; justify-content: center; height: 100%; min-height: 70px;
  padding: 4px; font-size: 0.7rem; color: #9c1c12; background: #f6f6f6; overflow-wrap: anywhere;
}

button[data-act] {
  border: 1px solid #c9c9c9; border-radius: 5px; padding: 1px 8px;
  background: #fafafa; color: #222; cursor: pointer; font-size: 0.85rem;
}
button[data-act]:disabled { opacity: 0.45; cursor: default; }
button[data-act]:focus-visible, .ps-shelf button:hover { outline: 2px solid #1f5fbf; }
button[data-act][aria-pressed="true"], button[data-act].ps-main:not(:disabled) {
  background: #1f5fbf; color: white;
}

.ps-shelf { display: grid; grid-template-columns: repeat(3, 1fr); gap: 6px; }
.ps-shelf button[data-act] { padding: 0; overflow: hidden; background: none; }
.ps-shelf img { width: 100%; height: 70px; object-fit: cover; display: block; margin: 0; }
.ps-shelf small { padding: 1px 4px; font-size: 0.72rem; }
.ps-pages { display: flex; gap: 10px; align-items: center; margin: 6px 0; font-size: 0.85rem; }

.ps-picture {
  width: 100%; max-height: 52vh; object-fit: contain; object-position: left top;
  display: block; margin: 0;
}
.ps-click { cursor: crosshair; }
.ps-people { margin: 4px 0; font-size: 0.9rem; }

.ps-bar { display: flex; gap: 10px; align-items: center; margin-bottom: 6px; font-size: 0.85rem; }
.ps-hits { display: grid; grid-template-columns: repeat(auto-fill, minmax(108px, 1fr)); gap: 6px; }
.ps-hits figure { margin: 0; border: 2px solid transparent; border-radius: 7px; padding: 2px; }
.ps-hits figure.ps-ticked { border-color: #1f5fbf; background: #eef3fb; }
.ps-hits figure.ps-example { background: #e2f3e2; }
.ps-hits figcaption { font-size: 0.74rem; line-height: 1.3; }
.ps-hits button.ps-cut {
  display: block; width: 100%; aspect-ratio: 13 / 20; padding: 0; border: 0;
  background: none; cursor: zoom-in;
}
.ps-cut img { width: 100%; height: 100%; object-fit: cover; margin: 0; border-radius: 4px; }
.ps-hits figcaption .ps-faint { font-size: 0.68rem; }
.ps-acts { display: flex; gap: 3px; margin-top: 2px; }
.ps-acts button[data-act] { font-size: 0.72rem; padding: 0 5px; white-space: nowrap; }

.ps-large {
  position: fixed; inset: 0; z-index: 1000; background: rgba(0, 0, 0, 0.6);
  display: flex; align-items: center; justify-content: center;
}
.ps-large > div {
  background: white; color: #222; padding: 12px; border-radius: 8px; max-width: 92vw;
}
.ps-large img { width: min(86vw, 960px); max-height: 70vh; object-fit: contain; margin: 0; }
.ps-large p { margin: 4px 0; overflow-wrap: anywhere; }
"""

CLICKS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-act]');
  if (button) {
    if (!button.disabled) trigger('click', {act: button.dataset.act, id: button.dataset.id || ''});
    return;
  }
  const image = event.target.closest('.ps-click');
  if (!image) return;
  const box = image.getBoundingClientRect();
  const scale = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight);
  const x = (event.clientX - box.left) / (image.naturalWidth * scale);
  const y = (event.clientY - box.top) / (image.naturalHeight * scale);
  trigger('click', {act: 'at', id: `${x} ${y}`});
});
"""
"""In the browser: a click on a button tells its action, one on the picture where it is, in shares."""

ESCAPE = (
    CLICKS
    + """
document.addEventListener('keydown', (event) => {
  const close = element.querySelector('[data-act="close"]');
  if (event.key === 'Escape' && close) close.click();
});
"""
)
"""The same, and the key that closes the large picture."""
