/** Lint rules about comments, part of the plugin of layers.ts: their first word, and reasons of catches. */

/** Beginnings that make no sentence of its own. */
const BEGINNING = /^(?:Who|What|So|Whether|The same|As|That)\b/;

/** Words that a reason has at least. */
const FEWEST_WORDS = 3;

type Comment = Deno.lint.LineComment | Deno.lint.BlockComment;

/** Text of a comment without the stars of its lines. */
function textOf(comment: Comment): string {
  return comment.value.replace(/^\s*\*+/gm, "").trim();
}

function isReason(comment: Comment): boolean {
  const text = textOf(comment);
  return text.split(/\s+/).length >= FEWEST_WORDS && !/^as above/i.test(text);
}

/** Refuses comments that begin with a word of `BEGINNING`. */
export const beginnings: Deno.lint.Rule = {
  create(context) {
    const { text } = context.sourceCode;
    const isAlone = (comment: Comment) =>
      /(?:^|\n)[ \t]*$/.test(text.slice(0, comment.range[0]).slice(-200));
    const between = (from: Comment, to: Comment) => text.slice(from.range[1], to.range[0]);
    return {
      Program() {
        let before: Comment | null = null;
        for (const comment of context.sourceCode.getAllComments()) {
          // Line comments of lines that follow each other are one text.
          const isFurtherLine = before?.type === "Line" && comment.type === "Line" &&
            isAlone(before) && /^\r?\n[ \t]*$/.test(between(before, comment));
          const [word] = isFurtherLine ? [] : BEGINNING.exec(textOf(comment)) ?? [];
          if (word !== undefined) {
            const message =
              `A comment is a sentence that stands by itself: do not begin with ${word}`;
            context.report({ range: comment.range, message });
          }
          before = comment;
        }
      },
    };
  },
};

const NO_REASON = "Say in a comment why this error may be dropped";

function isEmptyBlock(node: Deno.lint.Node): node is Deno.lint.BlockStatement {
  return node.type === "BlockStatement" && node.body.length === 0;
}

/** Refuses `catch {}` unless a comment in it says why. */
export const catches: Deno.lint.Rule = {
  create(context) {
    return {
      CatchClause(node) {
        const isTold = context.sourceCode.getCommentsInside(node.body).some(isReason);
        if (isEmptyBlock(node.body) && !isTold) context.report({ node, message: NO_REASON });
      },
    };
  },
};

/** Refuses `.catch(() => {})` unless a comment on its line or the line before says why. */
export const rejections: Deno.lint.Rule = {
  create(context) {
    const { text } = context.sourceCode;
    const lineOf = (at: number) => text.slice(0, at).split("\n").length;
    return {
      CallExpression(node) {
        const { callee, arguments: [handler] } = node;
        const isCatch = callee.type === "MemberExpression" &&
          callee.property.type === "Identifier" && callee.property.name === "catch";
        if (!isCatch || handler?.type !== "ArrowFunctionExpression") return;
        if (!isEmptyBlock(handler.body)) return;
        const line = lineOf(handler.range[1]);
        const isTold = context.sourceCode.getAllComments().some((comment) =>
          isReason(comment) &&
          (lineOf(comment.range[0]) === line || lineOf(comment.range[1]) === line - 1)
        );
        if (!isTold) context.report({ node, message: NO_REASON });
      },
    };
  },
};
