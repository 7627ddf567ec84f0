/** The page as one file that opens from disk: one classic script with styles and workers inside. */

import { createHash } from "node:crypto";
import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Plugin, UserConfig } from "vite";
import { meta } from "./policy";

type Bundle = Parameters<Extract<NonNullable<Plugin["generateBundle"]>, Function>>[1];

export const PLACE = "<!--zatlas:data-->"; // where the data goes

/** Embed workers in the script instead of separate files. */
export function inlineWorkers(): Plugin {
  return {
    name: "zatlas-inline-workers",
    enforce: "pre",
    resolveId(source, importer) {
      if (!source.endsWith("?worker")) return null;
      return this.resolve(`${source}&inline`, importer, { skipSelf: true });
    },
  };
}

/** Settings of a build that is one classic script, with styles and workers inside. */
export const classicScript: UserConfig = {
  plugins: [inlineWorkers(), svelte()],
  define: { __ONE_FILE__: "true" },
  worker: { format: "iife" },
  build: {
    outDir: "../src/zatlas/static",
    emptyOutDir: false,
    target: "es2022",
    assetsInlineLimit: () => true,
    reportCompressedSize: false,
    rolldownOptions: { transform: { define: { "import.meta": "{}" } } }, // a classic script has none
  },
};

export function singleFile(): Plugin {
  return {
    name: "zatlas-single-file",
    enforce: "post",
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const page = taken(bundle, (name) => name.endsWith(".html"));
        const script = safeScript(taken(bundle, (name) => name.endsWith(".js")));
        const styles = taken(bundle, (name) => name.endsWith(".css"));
        const left = Object.keys(bundle);
        if (left.length) throw new Error(`These files are not in the single file: ${left.join(", ")}.`);
        const source = assembled(page, script, styles);
        this.emitFile({ type: "asset", fileName: "single.html", source });
      },
    },
  };
}

/** The text of the one matching file, which is removed from the output. */
function taken(bundle: Bundle, matches: (name: string) => boolean): string {
  const names = Object.keys(bundle).filter(matches);
  const texts = names.map((name) => {
    const file = bundle[name];
    delete bundle[name];
    return file.type === "chunk" ? file.code : file.source.toString();
  });
  return texts.join("\n");
}

/** Escape a script so that nothing in it ends the script element. */
function safeScript(code: string): string {
  return code
    .trim()
    .replace(/<\/(script)/gi, "<\\/$1")
    .replace(/<!--/g, "\\x3c!--");
}

function assembled(page: string, script: string, styles: string): string {
  const bare = page
    .replace(/\s*<script[^>]*src=[^>]*><\/script>/g, "")
    .replace(/\s*<link[^>]*rel="(stylesheet|modulepreload)"[^>]*>/g, "");
  const head = meta(policyFor(script));
  const [before, after] = bare.split(/\s*<\/body>/);
  // Functions, because a dollar sign in a replacement text is special.
  return (
    before
      .replace(/(<meta charset[^>]*>)/, (charset) => `${charset}\n    ${head}`)
      .replace("</head>", () => `  <style>${styles.replace(/<\/style/gi, "<\\/style")}</style>\n  </head>`) +
    `\n    ${PLACE}\n    <script>${script}</script>\n  </body>${after}`
  );
}

/** A policy that allows only this script and the blobs that it creates. */
function policyFor(script: string): string {
  const hash = createHash("sha256").update(script).digest("base64");
  return [
    "default-src 'none'",
    `script-src 'sha256-${hash}' 'wasm-unsafe-eval' blob:`,
    "worker-src blob:",
    "connect-src blob: data:",
    "img-src blob: data:",
    "media-src blob:",
    "style-src 'unsafe-inline'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}
