/** The shaders of the points: position and colour, and a round shape. */

export const VERTEX = `#version 300 es
precision highp float;
in vec2 from;
in vec2 to;
in uint code;
in uint state;
uniform vec3 fromView;   // center and scale
uniform vec3 toView;
uniform vec2 size;       // of the canvas, CSS pixels
uniform float mixed;     // 0 at the old positions, 1 at the new ones
uniform float diameter;  // of a point, device pixels
uniform float alpha;
uniform uint layer;
uniform sampler2D palette;
out vec4 colour;
out float radius;

const float GHOST = 0.09;
const float PALE = 0.28;

void main() {
  if (state != layer) {
    gl_Position = vec4(2.0, 2.0, 2.0, 1.0);
    gl_PointSize = 0.0;
    return;
  }
  vec2 a = (from - fromView.xy) * fromView.z;
  vec2 b = (to - toView.xy) * toView.z;
  gl_Position = vec4(mix(a, b, mixed) * 2.0 / size, 0.0, 1.0);
  vec3 own = texelFetch(palette, ivec2(int(code), 0), 0).rgb;
  float shown = state == 0u ? alpha * GHOST : state == 1u ? alpha * PALE : state == 2u ? alpha : max(alpha, 0.9);
  float across = diameter * (state == 3u ? 1.25 : 1.0);
  colour = vec4(state == 0u ? vec3(0.5) : own, shown);
  radius = across / 2.0;
  gl_PointSize = across + 1.0; // half a pixel all around for the smooth edge
}`;

export const FRAGMENT = `#version 300 es
precision highp float;
in vec4 colour;
in float radius;
out vec4 pixel;
void main() {
  float distance = length(gl_PointCoord - 0.5) * (2.0 * radius + 1.0);
  float covered = clamp(radius + 0.5 - distance, 0.0, 1.0);
  if (covered <= 0.0) discard;
  float alpha = colour.a * covered;
  pixel = vec4(colour.rgb * alpha, alpha);
}`;
