import { joinWhileWriting, leaveWhileWriting } from "./matrix.ts";

Deno.test("mesh: keys that are written while nodes join are read everywhere", () => {
  joinWhileWriting(24, 60);
});

Deno.test("mesh: keys that are written while nodes leave are all at the last one", () => {
  leaveWhileWriting(16, 60);
});

Deno.test("mesh: the last node forgets predecessors that it knew by hearsay, and that have left", () => {
  leaveWhileWriting(32, 20, 9);
  leaveWhileWriting(40, 20, 5);
});
