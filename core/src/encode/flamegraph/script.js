// Boxes are in microseconds and rows; which of them are seen is their viewBox. Text is cut to its room.
(() => {
  const ROW = 18;
  const MARGIN = 10;
  const root = document.documentElement;
  const [head, legend, info, view, labels] = ['head', 'legend', 'info', 'boxes', 'labels'].map(id =>
    document.getElementById(id),
  );
  const make = name => document.createElementNS('http://www.w3.org/2000/svg', name);
  const makeHtml = name => document.createElementNS('http://www.w3.org/1999/xhtml', name);
  const set = (element, values) => Object.entries(values).forEach(([name, value]) => element.setAttribute(name, value));
  const number = (element, name) => Number(element.getAttribute(name));

  const boxes = [...view.querySelectorAll('rect')].map(rect => {
    const [name, about, times] = rect.textContent.split('\n');
    const [left, row, width] = ['x', 'y', 'width'].map(name => number(rect, name));
    // Whose code it is comes last.
    const place = about.replace(/, [^,]*$/, '');
    const isCall = !/[am]/.test(rect.getAttribute('class'));
    const searched = isCall ? `${name} ${about}`.toLowerCase() : '';
    return { rect, left, row, width, right: left + width, name, place, about, times, searched };
  });
  const byRect = new Map(boxes.map(box => [box.rect, box]));
  const [all] = boxes;
  const texts = [...head.querySelectorAll(':scope > text, #info > text')].map(text => [text, text.textContent]);
  const hints = texts.slice(-2).map(([, text]) => text);
  const still = {
    top: number(view, 'y'),
    height: number(root, 'height'),
    back: number(head.firstElementChild, 'height'),
  };
  const lowest = Math.max(...boxes.map(box => box.row));
  let [zoomed, current, query] = [all, all, ''];
  let [width, top] = [0, still.top];

  const pen = makeHtml('canvas').getContext('2d');
  function cut(text, room) {
    if (pen.measureText(text).width <= room) return text;
    let [least, most] = [0, text.length];
    while (least < most) {
      const middle = (least + most + 1) >> 1;
      if (pen.measureText(`${text.slice(0, middle)}…`).width <= room) least = middle;
      else most = middle - 1;
    }
    // Not between the halves of a character.
    return least > 1 ? `${text.slice(0, least).replace(/[\ud800-\udbff]$/, '')}…` : '';
  }

  const search = makeHtml('input');
  const searchBox = make('foreignObject');
  set(search, { type: 'search', placeholder: 'Search: /', 'aria-label': 'Search functions, files and kinds' });
  searchBox.setAttribute('height', 28);
  searchBox.append(search);
  if (all) head.append(searchBox);

  const found = box => query !== '' && box.searched.includes(query);
  function matches() {
    let [count, time, end] = [0, 0, 0];
    for (const box of boxes) {
      if (!found(box)) continue;
      count++;
      // What a match calls is in its time already.
      if (box.left < end) continue;
      time += box.width;
      end = box.right;
    }
    return `${count} ${count === 1 ? 'box matches' : 'boxes match'}: ${((100 * time) / all.width).toFixed(1)} % of the time`;
  }

  function say(lines) {
    [...info.children].forEach((text, i) => (text.textContent = cut(lines[i], width - 2 * MARGIN)));
  }
  const sayBox = box => say([`${box.name}\u2002${box.about}`, box.times]);
  function sayState() {
    if (query) say([matches(), 'Enter goes to the longest, Esc ends the search']);
    else if (zoomed !== all) say([`Zoomed to ${zoomed.name}`, 'Esc, or a click on “all”, shows everything']);
    else say(hints);
  }

  /** The legend in as many lines as it takes, and where there is no room beside the title, the search below. */
  function flow() {
    const isNarrow = width < 640;
    let [x, y] = [MARGIN, 0];
    for (const item of legend.children) {
      const length = item.getBBox().width;
      if (x > MARGIN && x + length > width - MARGIN) [x, y] = [MARGIN, y + ROW];
      item.setAttribute('transform', `translate(${x} ${y})`);
      x += length + 14;
    }
    if (isNarrow) set(searchBox, { x: MARGIN, y: 68 + y, width: width - 2 * MARGIN });
    else set(searchBox, { x: width - 220, y: 8, width: 210 });
    if (isNarrow && all) y += 32;
    info.setAttribute('transform', `translate(0 ${y})`);
    head.firstElementChild.setAttribute('height', still.back + y);
    root.setAttribute('height', still.height + y);
    top = still.top + y;
    view.setAttribute('y', top);
    labels.setAttribute('transform', `translate(0 ${top})`);
  }

  function label(box) {
    const [left, right] = [Math.max(box.left, zoomed.left), Math.min(box.right, zoomed.right)];
    const scale = width / zoomed.width;
    const room = (right - left) * scale - 8;
    if (room < 16) return;
    const shown = cut(`${box.name}\u2002${box.place}`, room);
    const [text, place] = [make('text'), make('tspan')];
    set(text, {
      x: (left - zoomed.left) * scale + 4,
      y: box.row * ROW + 13,
      class: query && !found(box) ? 'miss' : '',
    });
    set(place, { class: 'place' });
    place.append(shown.slice(box.name.length));
    text.append(shown.slice(0, box.name.length), place);
    labels.append(text);
  }

  function draw() {
    width = root.getBoundingClientRect().width;
    for (const [text, whole] of texts) {
      pen.font = getComputedStyle(text).font;
      text.textContent = cut(whole, width - 2 * MARGIN);
    }
    flow();
    labels.replaceChildren();
    if (!all) return;
    view.setAttribute('viewBox', `${zoomed.left} 0 ${zoomed.width} ${lowest + 1}`);
    for (const box of boxes) {
      const isCaller = box.width >= zoomed.width && box.left <= zoomed.left && box.right >= zoomed.right;
      box.rect.classList.toggle(
        'caller',
        zoomed !== all && isCaller && Math.abs(box.row - all.row) < Math.abs(zoomed.row - all.row),
      );
      box.rect.classList.toggle('miss', query !== '' && !found(box));
      label(box);
    }
    sayState();
  }

  const ring = make('rect');
  ring.id = 'ring';
  function focus(box) {
    current.rect.setAttribute('tabindex', -1);
    current = box;
    set(box.rect, { tabindex: 0, role: 'button' });
    box.rect.focus({ preventScroll: true });
    // Not below the head, which stays where it is.
    const [above, y] = [Number(head.firstElementChild.getAttribute('height')), top + box.row * ROW];
    if (y - above < scrollY) scrollTo(0, y - above);
    else if (y + ROW > scrollY + innerHeight) scrollTo(0, y + ROW - innerHeight);
  }
  function zoom(box) {
    zoomed = box;
    draw();
    focus(box);
  }
  function find(text) {
    query = text.toLowerCase();
    draw();
  }
  function move(across, down) {
    const seen = box => box.right > zoomed.left && box.left < zoomed.right;
    const row = boxes.filter(box => box.row === current.row + down && seen(box));
    const next = {
      '-1': () => row.filter(box => box.left < current.left).pop(),
      0: () => row.find(box => box.right > current.left && box.left < current.right),
      1: () => row.find(box => box.left > current.left),
    }[across]();
    if (next) focus(next);
  }

  function searchKey(event) {
    if (event.key === 'Escape') {
      search.value = '';
      find('');
      focus(current);
    } else if (event.key === 'Enter') {
      const [longest] = boxes.filter(found).sort((a, b) => b.width - a.width);
      if (longest) focus(longest);
    }
  }
  const KEYS = {
    ArrowLeft: () => move(-1, 0),
    ArrowRight: () => move(1, 0),
    ArrowUp: () => move(0, -1),
    ArrowDown: () => move(0, 1),
    Enter: () => zoom(current),
    ' ': () => zoom(current),
    '/': () => search.focus(),
    Escape: () => {
      search.value = query = '';
      zoom(all);
    },
  };

  root.setAttribute('width', '100%');
  draw();
  addEventListener('resize', draw);
  addEventListener('scroll', () => head.setAttribute('transform', `translate(0 ${scrollY})`));
  if (!all) return;
  all.rect.setAttribute('tabindex', 0);
  view.append(ring);
  view.addEventListener('click', ({ target }) => byRect.has(target) && zoom(byRect.get(target)));
  view.addEventListener('mouseover', ({ target }) => byRect.has(target) && sayBox(byRect.get(target)));
  view.addEventListener('mouseout', sayState);
  // An element of SVG that listens for it itself could be focused in Chrome.
  addEventListener('focusin', ({ target }) => {
    if (target !== current.rect) return;
    const { left, row, width } = current;
    set(ring, { x: left, y: row, width, height: 1 });
    sayBox(current);
  });
  addEventListener('focusout', ({ target }) => {
    if (target !== current.rect) return;
    ring.setAttribute('width', 0);
    sayState();
  });
  search.addEventListener('input', () => find(search.value));
  addEventListener('keydown', event => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target === search) searchKey(event);
    else if (KEYS[event.key]) {
      event.preventDefault();
      KEYS[event.key]();
    }
  });
  // The callers are at the bottom.
  if (all.row > 0) scrollTo(0, root.getBoundingClientRect().height);
})();
