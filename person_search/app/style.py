"""How the page looks, and what its parts tell the server about clicks."""

CSS = """
.gradio-container { max-width: 1500px !important; padding: 0.6rem 1rem !important; }
.ps-title { margin: 0; font-size: 1.1rem; font-weight: 600; }
.ps-status { margin: 0; padding: 0.35rem 0.7rem; border-radius: 6px; background: #eef3fb; color: #1f3f77; min-height: 1.4rem; }
.ps-status.ps-wrong { background: #fdecea; color: #9c1c12; }
.ps-status:empty { visibility: hidden; }
.ps-faint { color: #6b6b6b; font-size: 0.8rem; }
.ps-empty { color: #6b6b6b; padding: 3rem 0; text-align: center; }
.ps-shelf { display: grid; grid-template-columns: repeat(3, 1fr); gap: 6px; }
.ps-shelf button { padding: 0; border: 1px solid #ddd; border-radius: 6px; overflow: hidden; background: none; cursor: pointer; }
.ps-shelf button:hover, .ps-shelf button:focus-visible { outline: 2px solid #1f5fbf; }
.ps-shelf img { width: 100%; height: 70px; object-fit: cover; display: block; margin: 0; }
.ps-shelf small { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; padding: 1px 4px; }
.ps-none { display: flex; align-items: center; justify-content: center; height: 100%; min-height: 70px; padding: 4px; font-size: 0.7rem; color: #9c1c12; background: #f6f6f6; overflow-wrap: anywhere; }
.ps-picture { width: 100%; max-height: 52vh; object-fit: contain; object-position: left top; display: block; margin: 0; }
.ps-click { cursor: crosshair; }
.ps-people { margin: 4px 0; }
.ps-people button, .ps-pages button, .ps-acts button, .ps-bar button, .ps-large button { border: 1px solid #c9c9c9; border-radius: 5px; padding: 1px 8px; background: #fafafa; color: #222; cursor: pointer; font-size: 0.85rem; }
.ps-acts button { font-size: 0.72rem; padding: 0 5px; }
button[data-act]:disabled { opacity: 0.45; cursor: default; }
button[aria-pressed="true"], .ps-bar .ps-main:not(:disabled) { background: #1f5fbf; color: white; }
.ps-pages { display: flex; gap: 10px; align-items: center; margin: 6px 0; font-size: 0.85rem; }
.ps-bar { display: flex; gap: 10px; align-items: center; margin-bottom: 6px; font-size: 0.85rem; }
.ps-hits { display: grid; grid-template-columns: repeat(auto-fill, minmax(112px, 1fr)); gap: 8px; }
.ps-hits figure { margin: 0; border: 2px solid transparent; border-radius: 7px; padding: 3px; }
.ps-hits figure.ps-ticked { border-color: #1f5fbf; background: #eef3fb; }
.ps-hits figure.ps-example { background: #eaf6ea; }
.ps-cut { display: block; width: 100%; aspect-ratio: 13 / 20; max-height: 190px; padding: 0; border: 0; background: none; cursor: zoom-in; }
.ps-cut img { width: 100%; height: 100%; object-fit: cover; margin: 0; border-radius: 4px; }
.ps-hits figcaption { font-size: 0.78rem; line-height: 1.25; }
.ps-line { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.ps-acts { display: flex; gap: 3px; flex-wrap: wrap; margin-top: 2px; }
.ps-large { position: fixed; inset: 0; z-index: 1000; background: rgba(0, 0, 0, 0.6); display: flex; align-items: center; justify-content: center; }
.ps-large > div { background: white; color: #222; padding: 12px; border-radius: 8px; max-width: 92vw; }
.ps-large img { max-width: 100%; max-height: 74vh; margin: 0; }
.ps-large p { margin: 4px 0; }
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
element.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && element.querySelector('.ps-large')) trigger('click', {act: 'close', id: ''});
});
"""
"""In the browser: a click on a button tells its action, one on the picture where it is, in shares."""
