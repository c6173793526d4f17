// The profile of a thread for other tools: the type `Profile` of the DevTools protocol.

/** The URL of an absolute path; anything else as it is. */
function urlOf(path) {
  const windows = /^[A-Za-z]:[/\\]/.test(path);
  if (!windows && !path.startsWith('/')) return path;
  const plain = windows ? `/${path.replaceAll('\\', '/')}` : path;
  return `file://${encodeURI(plain).replace(/[?#]/g, encodeURIComponent)}`;
}

export function cpuprofile(data, report, thread) {
  const { frames, files } = data;
  const [ROOT, IDLE, FIRST] = [1, 2, 3];
  const scripts = new Map([['', 0]]);
  const nodes = [];
  const add = (id, functionName, url = '', lineNumber = -1, columnNumber = -1) => {
    if (!scripts.has(url)) scripts.set(url, scripts.size);
    const callFrame = { functionName, scriptId: String(scripts.get(url)), url, lineNumber, columnNumber };
    nodes.push({ id, callFrame, hitCount: 0, children: [] });
  };
  add(ROOT, '(root)');
  add(IDLE, '(idle)');
  nodes[0].children.push(IDLE);
  for (let node = 1; node < thread.parent.length; node++) {
    const frame = thread.frame[node];
    const url = urlOf(files.path[frames.file[frame]]);
    add(FIRST + node - 1, frames.name[frame], url, frames.line[frame] - 1, frames.column[frame] - 1);
    const parent = thread.parent[node];
    nodes[parent === 0 ? 0 : FIRST + parent - 2].children.push(FIRST + node - 1);
  }
  const samples = Array.from(thread.node, node => (node === 0 ? IDLE : FIRST + node - 1));
  for (const id of samples) nodes[id - 1].hitCount++;
  const origin = report.origin;
  let before = Math.min(thread.start, thread.time[0] ?? thread.start);
  const startTime = origin + before;
  const timeDeltas = Array.from(thread.time, time => {
    const delta = time - before;
    before = time;
    return delta;
  });
  return { nodes, startTime, endTime: origin + Math.max(thread.end, before), samples, timeDeltas };
}

/** Downloads a text as a file. */
export function save(name, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
