import assert from "node:assert/strict";
import { requestOf, responseOf } from "../steps_fixture.ts";
import { withPublicLocation } from "./location.ts";

const visited = requestOf({ authority: "shop.example.net" });
const moved = (location: string, authority = "localhost:8080") =>
  withPublicLocation(responseOf(302, { location }), { scheme: "http", authority }, visited)
    .fields[0]!.value;

Deno.test("a redirect to the target's own host leads to the public one (ngrok #161)", () => {
  assert.equal(moved("http://localhost:8080/a?b#c"), "https://shop.example.net/a?b#c");
  assert.equal(moved("HTTP://LOCALHOST:8080"), "https://shop.example.net");
  assert.equal(moved("//localhost:8080/x"), "//shop.example.net/x");
  assert.equal(moved("http://app/x", "app:80"), "https://shop.example.net/x");
  assert.equal(moved("http://app:80/x", "app"), "https://shop.example.net/x");
});

Deno.test("redirects elsewhere, and relative ones, are left alone", () => {
  for (
    const location of [
      "/a",
      "a",
      "",
      "?x",
      "http://localhost/",
      "http://localhost:80801/",
      "https://other.example/",
      "ftp://localhost:8080/",
      "http://localhost:8080@evil/",
      "http://u@localhost:8080/",
    ]
  ) {
    assert.equal(moved(location), location);
  }
  const head = responseOf(200, { "X-Location": "http://localhost:8080/" });
  assert.equal(
    withPublicLocation(head, { scheme: "http", authority: "localhost:8080" }, visited),
    head,
  );
});
