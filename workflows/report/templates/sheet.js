// Folded tracks open when a link leads to them; a bar of the timeline shows its face while pointed at.
(() => {
  const reveal = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let up = target; up; up = up.parentElement) if (up.tagName === 'DETAILS') up.open = true;
    if (target) target.scrollIntoView({ block: 'center' });
  };
  addEventListener('hashchange', reveal);
  reveal();

  const card = document.createElement('div');
  card.className = 'card';
  card.hidden = true;
  document.body.append(card);
  const hide = () => { card.hidden = true; };
  const show = (bar) => {
    if (bar.title) { bar.dataset.words = bar.title; bar.setAttribute('aria-label', bar.title); bar.removeAttribute('title'); }
    const [name, ...rest] = bar.dataset.words.split(' · ');
    const chip = document.querySelector(bar.getAttribute('href') + ' img');
    const image = chip ? Object.assign(new Image(), { src: chip.src, alt: '' }) : '';
    const words = document.createElement('p');
    words.append(Object.assign(document.createElement('b'), { textContent: name }), rest.join(' · '));
    card.replaceChildren(image, words);
    card.hidden = false;
    const at = bar.getBoundingClientRect(), size = card.getBoundingClientRect();
    const left = at.left + at.width / 2 - size.width / 2;
    const above = at.top - size.height - 10;
    card.style.left = Math.max(8, Math.min(left, document.documentElement.clientWidth - size.width - 8)) + 'px';
    card.style.top = (above > 8 ? above : at.bottom + 10) + 'px';
  };
  for (const kind of ['pointerover', 'focusin']) addEventListener(kind, (event) => {
    const bar = event.target.closest && event.target.closest('.bar');
    if (bar) show(bar); else hide();
  });
  addEventListener('scroll', hide, { passive: true });
})();
