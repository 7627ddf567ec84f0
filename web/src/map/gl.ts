/** WebGL2 helpers for the points. */

export interface Shader {
  program: WebGLProgram;
  buffers: Map<string, WebGLBuffer>;
  uniform(name: string): WebGLUniformLocation | null;
}

/** Compile, link and use a program of two shaders. */
export function program(gl: WebGL2RenderingContext, vertex: string, fragment: string): Shader {
  const made = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ] as const) {
    const shader = gl.createShader(kind);
    if (!shader) break; // the context is lost; it will be built again
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`The map's shader was refused: ${gl.getProgramInfoLog(made) ?? "no reason given"}`);
  }
  gl.useProgram(made);
  const uniforms = new Map<string, WebGLUniformLocation | null>();
  const uniform = (name: string): WebGLUniformLocation | null => {
    if (!uniforms.has(name)) uniforms.set(name, gl.getUniformLocation(made, name));
    return uniforms.get(name) ?? null;
  };
  return { program: made, buffers: new Map(), uniform };
}

/** The values of an attribute of each point: float32, or whole numbers as they are. */
export function buffer(
  gl: WebGL2RenderingContext,
  shader: Shader,
  name: string,
  values: Float32Array | Uint8Array,
  size: number,
): void {
  const at = gl.getAttribLocation(shader.program, name);
  const held = shader.buffers.get(name) ?? gl.createBuffer();
  shader.buffers.set(name, held);
  gl.bindBuffer(gl.ARRAY_BUFFER, held);
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(at);
  if (values instanceof Float32Array) gl.vertexAttribPointer(at, size, gl.FLOAT, false, 0, 0);
  else gl.vertexAttribIPointer(at, size, gl.UNSIGNED_BYTE, 0, 0);
}
