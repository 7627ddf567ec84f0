/** The page's content security policy, for exports as a folder: the live server sends its own as a header. */

import type { Plugin } from "vite";

const POLICY = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "media-src blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

/** Write the policy into the built `index.html`, not in development. */
export function policy(): Plugin {
  return {
    name: "zatlas-policy",
    apply: "build",
    transformIndexHtml: (page) => page.replace(/<meta charset[^>]*>/, (charset) => `${charset}\n    ${meta(POLICY)}`),
  };
}

/** The meta element of a policy. */
export function meta(policy: string): string {
  return `<meta http-equiv="Content-Security-Policy" content="${policy}" />`;
}
