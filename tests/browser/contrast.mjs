// Whether text can be read.

/** Of text on what it lies on: level AA of the Web Content Accessibility Guidelines. */
export const CONTRAST = 4.5;

/** Of two colours: red, green and blue, up to 255. */
export function contrastOf(one, other) {
  const luminance = colour => {
    const [r, g, b] = colour
      .map(value => value / 255)
      .map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}
