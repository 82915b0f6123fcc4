/**
 * Finds floating promises: statements whose value is a promise that is neither awaited nor given a
 * handler for its rejection, so that a failure would end the whole program. `void promise` is
 * allowed beside a comment, in its line or alone in the line above, that says why the promise
 * cannot reject or why nobody waits for it. Deno's lint plugins see no types, so this runs by
 * itself: `deno run -A --lock=tests/deno.lock tests/floating_promises.ts`.
 *
 * Packages and node: modules are not read: what their functions return counts as no promise.
 */
import ts from "typescript";

const ROOT = new URL("..", import.meta.url).pathname;
const FOLDERS = ["src", "ffi", "release"];
const FILES = ["main.ts", "mod.ts", "build.ts"];
const DENO_TYPES = "/deno_types.d.ts";

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  allowImportingTsExtensions: true,
  resolveJsonModule: true,
  noEmit: true,
  strict: true,
  lib: ["lib.esnext.d.ts"],
  types: [],
};

/** Operators whose value is one of their operands. */
const GIVES_OPERAND = new Set([
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
  ts.SyntaxKind.CommaToken,
]);

export interface Finding {
  path: string;
  line: number;
  message: string;
}

/** Checks these files; `texts` holds files that are not on the disk, by their absolute path. */
export async function floatingPromises(
  paths: readonly string[],
  texts: Readonly<Record<string, string>> = {},
): Promise<Finding[]> {
  const program = ts.createProgram(
    [DENO_TYPES, ...paths],
    OPTIONS,
    makeHost(await denoTypes(), texts),
  );
  const checker = program.getTypeChecker();
  return paths.flatMap((path) => {
    const file = program.getSourceFile(path);
    if (file === undefined) throw new Error(`${path} cannot be read`);
    return new FileCheck(file, checker).findings();
  });
}

function makeHost(types: string, texts: Readonly<Record<string, string>>): ts.CompilerHost {
  const host = ts.createCompilerHost(OPTIONS);
  const { fileExists, readFile } = host;
  const textOf = (path: string) => path === DENO_TYPES ? types : texts[path];
  return Object.assign(host, {
    fileExists: (path: string) => textOf(path) !== undefined || fileExists(path),
    readFile: (path: string) => textOf(path) ?? readFile(path),
    getSourceFile: (path: string, version: ts.ScriptTarget) => {
      const text = textOf(path) ?? readFile(path);
      return text === undefined ? undefined : ts.createSourceFile(path, text, version, true);
    },
  });
}

/** The declarations of Deno's own names, without the references to libraries that it embeds. */
async function denoTypes(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["types"] }).output();
  return new TextDecoder().decode(stdout).replaceAll(/^\/\/\/ <reference.*$/gm, "");
}

class FileCheck {
  readonly #file: ts.SourceFile;
  readonly #checker: ts.TypeChecker;
  readonly #lines: string[];

  constructor(file: ts.SourceFile, checker: ts.TypeChecker) {
    this.#file = file;
    this.#checker = checker;
    this.#lines = file.text.split("\n");
  }

  findings(): Finding[] {
    const found: Finding[] = [];
    const visit = (node: ts.Node): void => {
      const message = this.#problem(node);
      if (message !== null) {
        found.push({ path: this.#file.fileName, line: this.#lineOf(node.getStart()) + 1, message });
      }
      ts.forEachChild(node, visit);
    };
    visit(this.#file);
    return found;
  }

  #problem(node: ts.Node): string | null {
    if (ts.isExpressionStatement(node) && this.#floats(node.expression)) {
      return "floating promise: await it, or handle its rejection";
    }
    if (this.#isDropped(node)) {
      return "whoever calls this does not see its promise: handle the rejection inside";
    }
    if (!ts.isVoidExpression(node) || !this.#floats(node.expression)) return null;
    return this.#hasReason(node) ? null : "`void` on a promise needs a reason as a comment";
  }

  /** True for a function that returns a promise where one that returns none is expected. */
  #isDropped(node: ts.Node): boolean {
    const isFunction = ts.isArrowFunction(node) || ts.isFunctionExpression(node);
    const isArgument = ts.isExpression(node) && ts.isCallOrNewExpression(node.parent) &&
      node.parent.arguments?.includes(node) === true;
    if (!isFunction && !isArgument) return false;
    const expected = this.#results(this.#checker.getContextualType(node));
    if (expected.length === 0 || !expected.every(isNothing)) return false;
    const isAsync = isFunction && node.modifiers?.some(isAsyncKeyword) === true;
    if (isFunction && !isAsync && !ts.isBlock(node.body)) return this.#floats(node.body);
    const own = this.#results(this.#checker.getTypeAtLocation(node));
    return own.some((result) => this.#isPromise(result));
  }

  /** The types that calls of a function return. */
  #results(type: ts.Type | undefined): ts.Type[] {
    if (type === undefined) return [];
    if (type.isUnion()) return type.types.flatMap((part) => this.#results(part));
    return type.getCallSignatures().map((call) => call.getReturnType());
  }

  /** True if the value of `e` can be a promise that nobody has a handler for. */
  #floats(e: ts.Expression): boolean {
    if (
      ts.isParenthesizedExpression(e) || ts.isAsExpression(e) || ts.isSatisfiesExpression(e) ||
      ts.isNonNullExpression(e)
    ) return this.#floats(e.expression);
    if (ts.isConditionalExpression(e)) return this.#floats(e.whenTrue) || this.#floats(e.whenFalse);
    if (ts.isBinaryExpression(e)) {
      // An assignment keeps the promise for whoever reads it later.
      return GIVES_OPERAND.has(e.operatorToken.kind) &&
        (this.#floats(e.left) || this.#floats(e.right));
    }
    if (ts.isCallExpression(e) && ts.isPropertyAccessExpression(e.expression)) {
      const { name, expression: receiver } = e.expression;
      if (name.text === "finally") return this.#floats(receiver);
      const handler = name.text === "catch" ? 0 : name.text === "then" ? 1 : -1;
      if (this.#isFunction(e.arguments[handler])) return false;
    }
    return this.#isPromise(this.#checker.getTypeAtLocation(e));
  }

  #isFunction(e: ts.Expression | undefined): boolean {
    return e !== undefined && this.#checker.getTypeAtLocation(e).getCallSignatures().length > 0;
  }

  /** Also true for an array of promises, as `list.map(async …)` returns. */
  #isPromise(type: ts.Type): boolean {
    if (type.isUnion()) return type.types.some((part) => this.#isPromise(part));
    if ((type.flags & ts.TypeFlags.Any) !== 0) return false;
    if (this.#checker.isArrayLikeType(type)) {
      const element = this.#checker.getIndexTypeOfType(type, ts.IndexKind.Number);
      return element !== undefined && this.#isPromise(element);
    }
    return this.#checker.getApparentType(type).getProperty("then") !== undefined;
  }

  #hasReason(node: ts.Node): boolean {
    const first = this.#lineOf(node.getStart());
    const last = this.#lineOf(node.getEnd());
    return this.#comments().some(([begin, end]) =>
      [first, last].includes(this.#lineOf(begin)) ||
      (this.#lineOf(end) === first - 1 && /^\s*(\/[/*]|\*)/.test(this.#lines[first - 1]!))
    );
  }

  #lineOf(position: number): number {
    return this.#file.getLineAndCharacterOfPosition(position).line;
  }

  /** Begin and end of all comments that say something, instructions to tools left out. */
  #comments(): [begin: number, end: number][] {
    const { text } = this.#file;
    const found = new Map<number, number>();
    const add = (ranges: ts.CommentRange[] | undefined) => {
      for (const { pos, end } of ranges ?? []) {
        if (/^\W*(?!deno-|@?ts-)\w+\W+\w/.test(text.slice(pos, end))) found.set(pos, end);
      }
    };
    const visit = (node: ts.Node): void => {
      const children = node.getChildren(this.#file);
      if (children.length > 0) return children.forEach(visit);
      add(ts.getLeadingCommentRanges(text, node.getFullStart()));
      add(ts.getTrailingCommentRanges(text, node.getEnd()));
    };
    visit(this.#file);
    return [...found];
  }
}

function isAsyncKeyword(modifier: ts.ModifierLike): boolean {
  return modifier.kind === ts.SyntaxKind.AsyncKeyword;
}

/** True for `void`, `boolean | void` and the like. */
function isNothing(type: ts.Type): boolean {
  if (type.isUnion()) return type.types.every(isNothing);
  return (type.flags & (ts.TypeFlags.VoidLike | ts.TypeFlags.BooleanLike)) !== 0;
}

/** Tests are left out: in one, a rejection that nobody handles fails the test. */
function listFiles(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return listFiles(path);
    return name.endsWith(".ts") && !name.endsWith("_test.ts") ? [path] : [];
  });
}

if (import.meta.main) {
  const folders = FOLDERS.flatMap((name) => listFiles(ROOT + name));
  const paths = [...folders, ...FILES.map((name) => ROOT + name)].sort();
  const found = await floatingPromises(paths);
  for (const { path, line, message } of found) {
    console.error(`${path.slice(ROOT.length)}:${line}: ${message}`);
  }
  console.log(`${found.length} floating promises in ${paths.length} files`);
  if (found.length > 0) Deno.exit(1);
}
