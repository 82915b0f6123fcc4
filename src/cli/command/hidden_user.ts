/** The part before the last @ of a URL, or of what begins as a link does with its slashes missing. */
const USER = /(?:\/\/|^ttun[a-z]*:(?!\/\/))(.+)@/is;

/**
 * Returns what a user has typed without the part of a URL before the @: in a link, and in what was
 * meant for one, that is the key.
 */
export function withoutUser(text: string): string {
  const user = USER.exec(text)?.[1];
  return user === undefined ? text : text.replace(`${user}@`, () => "…@");
}

/** Hides that part in a message that repeats the text as JSON, all of it or its end. */
export function hideUser(message: string, text: string): string {
  const user = USER.exec(text)?.[1];
  if (user === undefined) return message;
  return message.replaceAll(`${JSON.stringify(user).slice(1, -1)}@`, () => "…@");
}
