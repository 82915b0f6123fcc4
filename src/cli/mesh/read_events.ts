export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/** Reads server-sent events (the WHATWG's HTML, section 9.2), without comments. */
export async function* readEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of bytes) {
    text += decoder.decode(part, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const fields = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const valueOf = (name: string) =>
        fields.filter((line) => line.startsWith(`${name}:`))
          .map((line) => line.slice(name.length + 1).replace(/^ /, "")).join("\n");
      const event = valueOf("event");
      if (event !== "") yield { event, data: valueOf("data") };
    }
  }
}
