/** Opens idle connections and keeps them: flood.ts HOST PORT COUNT. Says how far it is. */
const [hostname, port, count] = [Deno.args[0]!, Number(Deno.args[1]), Number(Deno.args[2])];
const kept: Deno.Conn[] = [];
for (let opened = 0; opened < count;) {
  const some = await Promise.all(
    Array.from({ length: 50 }, () => Deno.connect({ hostname, port }).catch(() => null)),
  );
  for (const conn of some) if (conn !== null) kept.push(conn);
  opened += some.length;
  if (opened % 1000 === 0) console.log(`connected ${opened}`);
}
await new Promise((resolve) => setTimeout(resolve, 60_000));
