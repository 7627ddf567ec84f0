/** Stories as Markdown: reading, writing, and the inline marks of their text. Python checks the same (site/story.py). */

import { MAX_CHOICES, MAX_STEPS, MAX_STORY, MAX_TITLE, STORY_NEEDS } from "../contract";
import { integer } from "./format";

export interface Question {
  text: string;
  choices: { text: string; right: boolean }[];
  answer: string; // shown after a choice
}

export interface Step {
  title: string;
  state: string | null; // of the page, as a link; null: the page stays as it is
  text: string; // paragraphs, separated by blank lines
  question: Question | null;
}

export interface Story {
  title: string;
  about: string;
  needs: string[]; // what a run must have
  steps: Step[];
}

/** A piece of text; `href` is that of a link. */
export interface Span {
  kind: "text" | "emphasis" | "strong" | "code" | "link";
  text: string;
  href?: string;
}

const NEEDS = STORY_NEEDS.split(" ");
const KEYS = ["title", "about", "needs"];
const CONTROL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;
const STATE = /^\[[^[\]]*\]\(#([^\s()]*)\)$/;
const CHOICE = /^- \[([ xX])\] +(.+)$/;
const CONDITION = /\{if (not )?([a-z]+): ((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}/g;
const NESTED = 3; // conditions in each other that are resolved
const LINK = /\[([^[\]]+)\]\(([^()]*)\)/g;
const ADDRESS = /^https?:\/\/[^\s<>"']+$/;
const INLINE = /`([^`]+)`|\*\*([^*\s](?:[^*]*[^*\s])?)\*\*|\*([^*\s](?:[^*]*[^*\s])?)\*|\[([^[\]]+)\]\((https?:\/\/[^\s()<>"']+)\)/g;

/** The story in a text; throws an error of one sentence for anything that a story cannot hold. */
export function readStory(markdown: string): Story {
  const text = markdown.replace(/^\ufeff/, "").replaceAll("\r\n", "\n");
  if (text.length > MAX_STORY) throw new Error(`The story has more than ${integer(MAX_STORY)} characters; shorten it.`);
  const raw = text.split("\n");
  raw.forEach((line, i) => {
    const control = CONTROL.exec(line)?.[0];
    if (control) fail(i, `remove the control character U+${control.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}.`);
  });
  const lines = raw.map((line) => line.trim());
  const end = lines[0] === "---" ? lines.indexOf("---", 1) : -1;
  if (end < 0) fail(0, "a story starts with a line ---, then title: NAME, then another line ---.");
  const story = { ...frontMatter(lines.slice(1, end)), steps: readSteps(lines, end + 1) };
  if (!story.steps.length) throw new Error("The story has no steps; a step starts with ## and its title.");
  if (story.steps.length > MAX_STEPS) throw new Error(`The story has more than ${MAX_STEPS} steps; split it.`);
  return story;
}

export function writeStory({ title, about, needs, steps }: Story): string {
  const head = ["---", `title: ${title}`, ...(about ? [`about: ${about}`] : []), ...(needs.length ? [`needs: ${needs.join(", ")}`] : []), "---"];
  return `${[head.join("\n"), ...steps.map(writeStep)].join("\n\n")}\n`;
}

/** A step with the parts whose conditions hold; null if no text is left, so that the story goes on without the step. */
export function stepFor(step: Step, holds: (name: string) => boolean): Step | null {
  const resolved = (text: string) => {
    for (let round = 0; round < NESTED; round++) text = text.replace(CONDITION, (_, not: string | undefined, name: string, part: string) => (holds(name) === !not ? part : ""));
    return text.replace(/ {2,}/g, " ").trim();
  };
  const text = step.text.split("\n\n").map(resolved).filter(Boolean).join("\n\n");
  if (!text) return null;
  const { question } = step;
  const choices = question?.choices.map((choice) => ({ ...choice, text: resolved(choice.text) })).filter(({ text }) => text) ?? [];
  const asked = question && choices.length > 1 && resolved(question.text);
  return { ...step, title: resolved(step.title), text, question: asked ? { text: asked, choices, answer: resolved(question.answer) } : null };
}

/** The pieces of a text between its marks; anything else stays as it is. */
export function spans(text: string): Span[] {
  const result: Span[] = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    if (match.index > end) result.push({ kind: "text", text: text.slice(end, match.index) });
    const [, code, strong, emphasis, link, href] = match;
    if (code) result.push({ kind: "code", text: code });
    else if (strong) result.push({ kind: "strong", text: strong });
    else if (emphasis) result.push({ kind: "emphasis", text: emphasis });
    else result.push({ kind: "link", text: link, href });
    end = match.index + match[0].length;
  }
  return end < text.length ? [...result, { kind: "text", text: text.slice(end) }] : result;
}

function frontMatter(lines: string[]): Omit<Story, "steps"> {
  const values: Record<string, string> = {};
  lines.forEach((line, i) => {
    if (!line) return;
    const [, key, value] = /^(\w+):(.*)$/.exec(line) ?? [];
    if (!KEYS.includes(key)) fail(i + 1, "the front matter holds title:, about: and needs: only.");
    if (key in values) fail(i + 1, `${key}: occurs twice.`);
    values[key] = value.trim();
    if (key === "needs") for (const need of names(values.needs)) if (!NEEDS.includes(need)) fail(i + 1, `a story can need ${NEEDS.join(", ")}, and nothing else.`);
    if (key !== "needs") check(i + 1, values[key], key === "title" ? MAX_TITLE : 2 * MAX_TITLE);
  });
  if (!values.title) fail(0, "the front matter has no title; write title: NAME.");
  return { title: values.title, about: values.about ?? "", needs: names(values.needs ?? "") };
}

const names = (list: string): string[] => list.split(",").map((name) => name.trim()).filter(Boolean);

function readSteps(lines: string[], from: number): Step[] {
  const steps: Step[] = [];
  const begun: number[] = []; // the line of each step
  let step: Step | null = null;
  let open = false; // the line before this one belongs to a paragraph
  const finish = () => step && complete(begun.at(-1)!, step);
  for (let i = from; i < lines.length; i++) {
    const line = lines[i];
    const heading = /^## +(.+)$/.exec(line)?.[1];
    if (heading) {
      finish();
      check(i, heading, MAX_TITLE);
      steps.push((step = { title: heading, state: null, text: "", question: null }));
      begun.push(i);
    } else if (line) {
      if (/^#{1,6}( |$)/.test(line)) fail(i, "a step starts with ## and its title; there are no other headings.");
      if (!step) fail(i, "a step starts with ## and its title; there is no text before the first one.");
      readLine(i, line, step!, open);
    }
    open = Boolean(line) && !heading;
  }
  finish();
  return steps;
}

function readLine(i: number, line: string, step: Step, open: boolean): void {
  const state = STATE.exec(line)?.[1];
  const asked = /^Question: +(.+)$/.exec(line)?.[1];
  const choice = CHOICE.exec(line);
  const answer = /^> ?(.*)$/.exec(line)?.[1];
  if (state !== undefined) {
    if (step.state !== null) fail(i, "a step has one state.");
    step.state = state;
    return;
  }
  check(i, asked ?? choice?.[2] ?? answer ?? line);
  if (asked) {
    if (step.question) fail(i, "a step has one question.");
    step.question = { text: asked, choices: [], answer: "" };
  } else if (choice || answer !== undefined) {
    if (!step.question) fail(i, "write Question: and its text above the choices and the answer.");
    if (choice) step.question!.choices.push({ text: choice[2], right: choice[1] !== " " });
    else step.question!.answer = [step.question!.answer, answer!].filter(Boolean).join(" ");
  } else if (/^([-*+]|\d+[.)]) /.test(line)) fail(i, "a list holds the choices of a question, each as - [ ] TEXT.");
  else if (step.question) fail(i, "write > before the answer to a question; other text comes before it.");
  else step.text += step.text ? (open && !step.text.endsWith("\n\n") ? " " : "\n\n") + line : line;
}

function complete(i: number, { text, question }: Step): void {
  if (!text) fail(i, "the step has no text.");
  const count = question?.choices.length ?? 2;
  if (count < 2 || count > MAX_CHOICES) fail(i, `a question has 2 to ${MAX_CHOICES} choices.`);
}

/** Refuse what the page would not show as a reader expects: images, HTML, unknown conditions, and links to anything but the web. */
function check(i: number, text: string, limit = Infinity): void {
  if (text.length > limit) fail(i, `shorten this to ${limit} characters.`);
  const plain = text.replace(/`[^`]+`/g, "");
  if (plain.includes("![")) fail(i, "a story has no images of its own; the page shows those of the run.");
  if (/<[A-Za-z/!?]/.test(plain)) fail(i, "HTML is not possible; write *emphasis*, **strong** text, `code` or a link.");
  for (const begun of plain.matchAll(/\{if\b/g)) {
    const condition = new RegExp(CONDITION.source, "y");
    condition.lastIndex = begun.index;
    if (!NEEDS.includes(condition.exec(plain)?.[2] ?? "")) fail(i, "a condition is {if NAME: TEXT} or {if not NAME: TEXT}; docs/stories.md lists the names.");
  }
  for (const [, , href] of plain.matchAll(LINK)) if (!ADDRESS.test(href)) fail(i, "a link leads to an address with https:// or http://.");
}

function writeStep({ title, state, text, question }: Step): string {
  const parts = [`## ${title}`, ...(state === null ? [] : [`[Show](#${state})`]), text];
  if (question) {
    const choices = question.choices.map(({ text, right }) => `- [${right ? "x" : " "}] ${text}`);
    parts.push(`Question: ${question.text}`, choices.join("\n"), ...(question.answer ? [`> ${question.answer}`] : []));
  }
  return parts.join("\n\n");
}

function fail(i: number, problem: string): never {
  throw new Error(`Line ${i + 1}: ${problem}`);
}
