// Reads what core/src/report/data.rs writes: a JSON document, then columns of numbers.

/** Reports, and the tables of functions and files that they share. Times are microseconds from a report's origin. */
export function read(packed) {
  const length = new DataView(packed.buffer, packed.byteOffset).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(packed.subarray(4, 4 + length)));
  const columns = new Columns(packed, 4 + length);
  const { strings } = head;
  const text = count => Array.from(columns.numbers(count), at => strings[at]);
  const files = { path: text(head.files), package: text(head.files), hidden: columns.numbers(head.files) };
  const frames = {
    name: text(head.frames),
    file: columns.numbers(head.frames),
    line: columns.numbers(head.frames),
    column: columns.numbers(head.frames),
    kind: columns.numbers(head.frames),
  };
  files.shown = files.path.map((path, file) => path.slice(files.hidden[file]));
  // The same function in two versions of a program, in which its line may differ.
  const alike = new Map();
  frames.alike = frames.name.map((name, frame) => {
    const key = `${name}\n${files.shown[frames.file[frame]]}`;
    if (!alike.has(key)) alike.set(key, frame);
    return alike.get(key);
  });
  const packages = [...new Set(files.package)];
  const numbers = new Map(packages.map((name, at) => [name, at]));
  frames.package = frames.file.map(file => numbers.get(files.package[file]));
  const reports = head.reports.map(report => {
    const all = report.processes.flatMap(process => process.threads);
    const origin = Math.min(report.start, ...all.map(thread => thread.start));
    const end = Math.max(report.end, ...all.map(thread => thread.end));
    const threads = report.processes.flatMap((process, at) =>
      process.threads.map(thread =>
        readThread(columns, { ...thread, process: process.name, of: at }, origin, strings, frames),
      ),
    );
    return { ...report, threads, origin, duration: end - origin };
  });
  return { reports, frames, files, packages };
}

function readThread(columns, head, origin, strings, frames) {
  const { nodes, samples } = head;
  const start = head.start - origin;
  const [parent, depth] = [new Int32Array(nodes + 1), new Int32Array(nodes + 1)];
  // The nodes from the root to the previous node.
  const path = [0];
  const up = columns.numbers(nodes);
  for (let node = 1; node <= nodes; node++) {
    path.length -= up[node - 1];
    parent[node] = path[path.length - 1];
    depth[node] = path.length;
    path.push(node);
  }
  const frame = new Int32Array(nodes + 1).fill(-1);
  frame.set(columns.steps(nodes, 0), 1);
  const time = columns.steps(samples, 0).map(steps => start + steps * head.grain);
  const node = Int32Array.from(columns.steps(samples, 0));
  const line = Array.from(columns.numbers(samples), (number, at) =>
    number === 0 ? 0 : frames.line[frame[node[at]]] + signed(number - 1),
  );
  const cpu = {
    time: columns.steps(head.cpuReadings, start),
    value: columns.steps(head.cpuReadings, 0).map(v => v / 100),
  };
  const heap = {
    time: columns.steps(head.heapReadings, start),
    value: columns.steps(head.heapReadings, 0).map(v => v * 1024),
  };
  const spanStart = columns.steps(head.spans, start);
  const spanDuration = columns.numbers(head.spans, Float64Array);
  const spans = Array.from(columns.numbers(head.spans), (name, at) => ({
    name: strings[name],
    start: spanStart[at],
    end: spanStart[at] + spanDuration[at],
  }));
  return {
    ...head,
    cpuTime: head.cpu,
    cpu,
    heap,
    spans,
    start,
    end: head.end - origin,
    parent,
    depth,
    frame,
    time,
    node,
    line,
  };
}

/** A number of either sign that was written as one without. */
const signed = number => (number % 2 ? -(number + 1) / 2 : number / 2);

/** Reads numbers of seven bits per byte. */
class Columns {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }

  number() {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = this.bytes[this.at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  }

  numbers(count, Kind = Int32Array) {
    const column = new Kind(count);
    for (let at = 0; at < count; at++) column[at] = this.number();
    return column;
  }

  /** A column in which each number is written as the difference from the previous one. */
  steps(count, before) {
    const column = new Float64Array(count);
    for (let at = 0; at < count; at++) {
      const number = this.number();
      before += signed(number);
      column[at] = before;
    }
    return column;
  }
}

/** The short path and the line of a function. */
export function place(data, frame) {
  const { files, frames } = data;
  const shown = files.shown[frames.file[frame]];
  return frames.line[frame] > 0 && shown ? `${shown}:${frames.line[frame]}` : shown;
}
