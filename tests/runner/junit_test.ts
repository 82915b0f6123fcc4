import { deepEqual } from "node:assert/strict";
import { failedIn, readJunit } from "./junit.ts";

const REPORT = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="deno test" tests="9" failures="3" errors="1" time="0.182">
    <testsuite name="./src/b_test.ts" tests="7" disabled="2" errors="0" failures="2">
        <testcase name="ok" classname="./b_test.ts" time="0.002" line="1" col="6">
        </testcase>
        <testcase name="ok &quot;&lt;x&gt;" classname="./b_test.ts" time="0.000" line="2" col="6"/>
        <testcase name="bad" classname="./b_test.ts" time="0.002" line="3" col="6">
            <failure message="1 test step failed">1 test step failed.</failure>
        </testcase>
        <testcase name="ignored" classname="./b_test.ts" time="0.000" line="4" col="6">
            <skipped/>
        </testcase>
        <testcase name="ok &gt; step" classname="./b_test.ts" time="0.000" line="1" col="40">
        </testcase>
        <testcase name="bad &gt; step" classname="./b_test.ts" time="0.001" line="3" col="41">
            <failure message="Uncaught Error: x">Error: &lt;skipped/&gt;
    at innerWrapped</failure>
        </testcase>
    </testsuite>
    <testsuite name="./d_test.ts" tests="2" disabled="0" errors="2" failures="0">
        <testcase name="x" classname="./d_test.ts" time="0.000" line="1" col="6">
            <error message="Cancelled"/>
        </testcase>
    </testsuite>
</testsuites>`;

Deno.test("junit: tests and steps are counted, each failure once", () => {
  deepEqual(readJunit(REPORT), { passed: 3, failed: 2, skipped: 1 });
});

Deno.test("junit: what failed is told by file, name and reason", () => {
  deepEqual(failedIn(REPORT), [
    "./src/b_test.ts: bad > step: Uncaught Error: x",
    "./d_test.ts: x: Cancelled",
  ]);
});

Deno.test("junit: a report without tests counts nothing", () => {
  const tally = readJunit(
    `<testsuites name="deno test" tests="0" failures="0" errors="0" time="0.000">\n</testsuites>`,
  );
  deepEqual(tally, { passed: 0, failed: 0, skipped: 0 });
});
