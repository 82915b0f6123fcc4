import { wordlist } from "@scure/bip39/wordlists/english.js";
import { TtunError } from "../../base/errors.ts";
import type { Rng } from "../../contract/host.ts";
import { editDistance } from "../command/nearest.ts";
import { wordsOf } from "./words.ts";

const WORDS = 6;

/** Bytes of chance, of which 66 bits are used. */
const CHANCE = 9;

/** The server's meetings have smaller numbers; more digits would be no number of one. */
const MOST_NUMBER = 0xffff_ffff;

/** No mistyped word of the list is longer; the search costs time by its length. */
const LONGEST_TYPED = 16;

const ORDINALS = ["first", "second", "third", "fourth", "fifth", "sixth"];

/** `N-word-word-word-word-word-word`: a meeting at a server, and a key of 66 bits. */
export interface Code {
  /** Of the meeting. */
  readonly number: number;
  /** The words in lower case, joined by "-": the key of link version 2. */
  readonly words: string;
}

/** Makes the words of a code, which no other has. */
export function makeCodeWords(rng: Rng): string {
  return wordsOf(rng(CHANCE));
}

export function formatCode({ number, words }: Code): string {
  return `${number}-${words}`;
}

/** True for a text that is meant as a code: a number and a word at least. */
export function isCode(text: string): boolean {
  return /^\s*\d+[-\s]+[a-z]/i.test(text);
}

/**
 * Reads a code, in any case, with spaces or "-" between its parts. Errors never repeat it: it is a
 * key. @throws {TtunError} usage
 */
export function parseCode(text: string): Code {
  const [first = "", ...given] = text.trim().toLowerCase().split(/[-\s]+/);
  const number = /^\d{1,10}$/.test(first) ? Number(first) : 0;
  if (number < 1 || number > MOST_NUMBER) {
    throw unusable("it begins with the number of a meeting, as in 7-word-word-word-word-word-word");
  }
  if (given.length < WORDS) {
    throw unusable(
      `it has ${given.length} words and not ${WORDS}: with fewer the key could be guessed from a ` +
        "recorded connection",
    );
  }
  if (given.length > WORDS) throw unusable(`it has ${given.length} words and not ${WORDS}`);
  for (const [i, word] of given.entries()) {
    if (wordlist.includes(word)) continue;
    const meant = nearestWord(word);
    const hint = meant === null ? "" : `; is it ${JSON.stringify(meant)}?`;
    throw unusable(`its ${ORDINALS[i]} word is none of the list${hint}`);
  }
  return { number, words: given.join("-") };
}

/** Returns the word of the list that is at most two letters away; null = none. */
function nearestWord(typed: string): string | null {
  if (typed.length > LONGEST_TYPED) return null;
  let best: { readonly word: string; readonly distance: number } | null = null;
  for (const word of wordlist) {
    const distance = editDistance(typed, word);
    if (distance <= 2 && distance < (best?.distance ?? word.length)) best = { word, distance };
  }
  return best?.word ?? null;
}

function unusable(why: string): TtunError {
  return new TtunError("usage", `Cannot use this code: ${why}`);
}
