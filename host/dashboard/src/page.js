// The dashboard's page: asks for status.json each second and shows it. All that comes from there is only ever text.
"use strict";

const EVERY = 1000;
const GIVE_UP = 5000;
const $ = (id) => document.getElementById(id);
const LISTS = ["done", "in_flight", "skipped", "retried"];
const SIDE = 640;
let map = null;
let tilesBefore = [];
let turns = 0;

function put(id, text) {
  // What hasn't changed isn't touched, so that a selection stays and a screen reader keeps quiet.
  if ($(id).textContent !== text) $(id).textContent = text;
}

function bytes(n) {
  if (n === null) return "";
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  for (; n >= 1024 && unit < units.length - 1; unit++) n /= 1024;
  return `${n.toFixed(unit && n < 100 ? 1 : 0)} ${units[unit]}`;
}

function time(seconds) {
  const s = Math.round(seconds);
  const two = (n) => String(n).padStart(2, "0");
  if (s >= 86400) return `${Math.floor(s / 86400)} d ${two(Math.floor(s / 3600) % 24)} h`;
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
  if (s >= 60) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${s} s`;
}

function count(n) {
  return n.toLocaleString("en").replaceAll(",", " ");
}

function rate(n) {
  return n === null ? "" : n.toPrecision(3).includes("e") ? String(Math.round(n)) : Number(n.toPrecision(3)).toString();
}

function rows(body, lines) {
  $(body).replaceChildren(...lines.map(({ cells, gone }) => {
    const row = document.createElement("tr");
    if (gone) row.className = "gone";
    for (const [text, number] of cells) {
      const cell = row.insertCell();
      cell.textContent = text;
      if (number) cell.className = "number";
    }
    return row;
  }));
}

function show(s) {
  const t = s.tiles;
  const settled = t.done + t.skipped + t.resumed;
  put("function", s.job.function || "tilefn");
  put("job", `${s.job.path}, ${s.job.module}, tilefn ${s.tilefn}`);
  put("state", s.state);
  $("state").className = s.state;
  document.title = `${Math.floor(100 * settled / (t.total || 1))} % ${s.job.function}`;
  $("error").hidden = s.error === null;
  put("error", s.error ?? "");
  $("progress").max = t.total || 1;
  $("progress").value = settled;
  const left = s.seconds_left === null || s.state !== "running" ? "" : `, ${time(s.seconds_left)} left`;
  const pace = s.tiles_per_second === null ? "" : `, ${rate(s.tiles_per_second)} tiles/s`;
  put("summary", `${count(settled)} of ${count(t.total)} tiles in ${time(s.seconds)}${pace}${left}; ` +
    `${bytes(s.bytes_in)} read, ${bytes(s.bytes_out)} written, controller’s memory ${bytes(s.memory)} (peak ${bytes(s.peak_memory)})`);
  put("n-done", count(t.done) + (t.resumed ? ` + ${count(t.resumed)} by an earlier run` : ""));
  put("n-in-flight", count(t.in_flight));
  put("n-skipped", count(t.skipped));
  put("n-fresh", count(t.fresh));
  put("n-retried", count(t.retried));
  put("workers-here", `${count(s.workers_here)} here`);
  rows("workers", s.workers.map((w) => ({
    gone: w.left !== null,
    cells: [
      [`${w.id} ${w.name}`], [w.kind + (w.threads > 1 ? ` × ${w.threads}` : "")], [count(w.tiles), true], [rate(w.tiles_per_second), true],
      [bytes(w.memory), true], [bytes(w.function_peak_memory), true], [w.left ?? ""],
    ],
  })));
  rows("stages", Object.entries(s.stages).map(([name, seconds]) => ({ cells: [[name], [seconds.toFixed(1), true]] })));
  put("n-warnings", s.warnings.length ? "" : "none");
  const warnings = s.warnings.map((text) => Object.assign(document.createElement("li"), { textContent: text }));
  $("warnings").replaceChildren(...warnings);
  map = s.map;
  draw();
  if (s.picture) picture(s.picture);
}

// The server may answer with a picture that is half a second old, so the page asks once more after the last change.
function picture({ output, rows, cols, tiles }) {
  put("output-name", output);
  $("output").hidden = tiles === 0;
  if (tilesBefore.length === 2 && tilesBefore.every((n) => n === tiles)) return;
  tilesBefore = [tiles, ...tilesBefore].slice(0, 2);
  const scale = SIDE / Math.max(rows, cols);
  Object.assign($("picture"), { width: cols * scale, height: rows * scale, src: `picture.png?${turns++}` });
}

// Each cell is filled from the left by the shares of its tiles; a dot marks retried ones.
function draw() {
  const canvas = $("map");
  const size = Math.max(8, Math.min(40, Math.floor(640 / Math.max(map.rows, map.cols))));
  const [width, height] = [map.cols * size, map.rows * size];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const style = getComputedStyle(document.documentElement);
  const colour = Object.fromEntries([...LISTS, "fresh"].map((k) => [k, style.getPropertyValue(`--${k.replace("_", "-")}`)]));
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, width, height);
  const gap = size > 5 ? 1 : 0;
  for (let n = 0; n < map.tiles.length; n++) {
    const [x, y, side] = [(n % map.cols) * size, Math.floor(n / map.cols) * size, size - gap];
    pen.fillStyle = colour.fresh;
    pen.fillRect(x, y, side, side);
    let from = 0;
    for (const state of ["done", "skipped", "in_flight"]) {
      if (!map[state][n]) continue;
      const share = Math.max(1, side * map[state][n] / map.tiles[n]);
      pen.fillStyle = colour[state];
      pen.fillRect(x + Math.min(from, side - 1), y, Math.min(share, side - from), side);
      from += share;
    }
    if (map.retried[n]) {
      for (const [dot, fill] of [[Math.ceil(size / 2) + 2, "#fff"], [Math.ceil(size / 2), colour.retried]]) {
        pen.fillStyle = fill;
        pen.fillRect(x + (side - dot) / 2, y + (side - dot) / 2, dot, dot);
      }
    }
  }
}

function point(event) {
  if (!map) return;
  const box = $("map").getBoundingClientRect();
  const col = Math.floor((event.clientX - box.left) / box.width * map.cols);
  const row = Math.floor((event.clientY - box.top) / box.height * map.rows);
  const n = row * map.cols + col;
  if (!(n in map.tiles)) return;
  const parts = LISTS.map((k) => `${count(map[k][n])} ${k.replace("_", " ")}`);
  put("cell", `Cell in row ${row}, column ${col}: ${count(map.tiles[n])} tiles, ${parts.join(", ")}`);
}

async function turn() {
  try {
    const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(GIVE_UP) });
    if (!answer.ok) throw new Error(answer.statusText);
    show(await answer.json());
  } catch {
    put("state", "no answer: the job has ended, or can’t be reached; this is the last that was heard");
    $("state").className = "failed";
  }
  setTimeout(turn, EVERY);
}

$("map").addEventListener("mousemove", point);
turn();
