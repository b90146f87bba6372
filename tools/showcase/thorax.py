"""What surrounds the heart: chest wall, lungs, liver, bowel, fat, vessels.

Nothing here carries a label. It is drawn so that a network cannot find the
heart by being the only round or bright thing: the aorta is a bright disc, the
stomach a ring, lung vessels are bright dots.
"""
import numpy as np

from fields import circle, cover, ellipse, gauss_knots, paint, smooth_field


class Thorax:
    def __init__(self, rng):
        u = rng.uniform
        height = u(140, 185)
        self.body = (u(-30, 30), height - u(62, 115), u(135, 215), height, rng.normal(0, 0.2))
        self.fat_rim, self.muscle_rim = u(6, 28), u(5, 14)
        self.lung = (u(10, 60), u(-60, -15), u(45, 90), u(35, 75), u(-0.6, 0.6))
        self.left_lung = (u(-120, -70), u(-40, 10), u(25, 50), u(30, 70), u(-0.4, 0.4))
        self.liver = (u(-110, -40), u(45, 90), u(55, 95), u(28, 60), u(-0.4, 0.4))
        self.aorta = (u(-15, 40), u(55, 95), u(8, 14))
        self.spine = (u(-40, 20), u(80, 120), u(14, 22), u(12, 20), 0.0)
        self.organs = [(u(-20, 100), u(40, 100), u(8, 34), u(6, 24), u(0, 3.1),
                        u(0.05, 0.95), u(1.5, 5) if u() < 0.5 else 0) for _ in range(rng.integers(1, 6))]
        self.vessels = [(u(-20, 100), u(-90, 30), u(0.8, 3)) for _ in range(rng.integers(4, 16))]
        self.roots = [(u(-45, 10), u(-45, 10), u(7, 15)) for _ in range(rng.integers(0, 3))]
        self.pericardial_fat = u(0, 9)
        self.drift = rng.normal(0, 0.25, 2)
        self.mottle = [gauss_knots(rng, 18) for _ in range(2)]
        self.grain = [gauss_knots(rng, 56) for _ in range(2)]

    def texture(self, knots, depth_mm, size):
        """Two fixed patterns mixed by depth: slices resemble their neighbours."""
        angle = depth_mm / 25.0
        return smooth_field(knots[0] * np.cos(angle) + knots[1] * np.sin(angle), size)

    def draw(self, x, y, depth_mm, pixel, tissue, mottle, grain):
        sx, sy = self.drift * (depth_mm - 40)
        x, y = x - np.float32(sx), y - np.float32(sy)
        image = np.full(x.shape, tissue["air"], np.float32)
        body = ellipse(x, y, *self.body)
        paint(image, tissue["fat"] * (1 + 0.15 * mottle), cover(body, pixel))
        wall = body + np.float32(self.fat_rim) + 3 * mottle
        paint(image, tissue["muscle"] * (1 + 0.25 * grain), cover(wall, pixel))
        inner = wall + np.float32(self.muscle_rim)
        filling = tissue["filling"] + tissue["filling_spread"] * (mottle + 0.5 * grain)
        paint(image, np.maximum(filling, 0), cover(inner, pixel))
        inside = cover(inner, pixel)
        for lung in (self.lung, self.left_lung):
            paint(image, tissue["lung"] * (1 + 0.5 * grain),
                  cover(ellipse(x, y, *lung) + 5 * mottle, pixel) * inside)
        for cx, cy, radius in self.vessels:
            self._spot(image, x, y, cx, cy, radius, tissue["blood"] * 0.7, pixel, inside)
        liver = cover(ellipse(x, y, *self.liver) + 4 * mottle, pixel) * inside
        paint(image, tissue["liver"] * (1 + 0.1 * grain + 0.6 * np.maximum(grain - 1.6, 0)), liver)
        paint(image, tissue["bone"] * (1 + 0.2 * grain), cover(ellipse(x, y, *self.spine), pixel) * inside)
        for cx, cy, a, b, angle, value, rim in self.organs:
            shape = ellipse(x, y, cx, cy, a, b, angle) + 2 * mottle
            paint(image, tissue["muscle"], cover(shape - np.float32(rim), pixel) * inside)
            paint(image, value * (1 + 0.15 * grain), cover(shape, pixel) * inside)
        cx, cy, radius = self.aorta
        self._spot(image, x, y, cx, cy, radius, tissue["blood"], pixel, inside)
        return image

    def draw_roots(self, image, x, y, section, pixel, tissue):
        """Great vessels and atria, seen only at and above the valve plane."""
        if section.depth > 0.12:
            return
        for cx, cy, radius in self.roots:
            px, py = section.centre[0] + cx, section.centre[1] + cy
            shape = np.maximum(circle(x, y, px, py, radius), -section.epi)
            paint(image, tissue["muscle"], cover(shape - np.float32(2), pixel))
            paint(image, tissue["blood"], cover(shape, pixel))

    def draw_heart_fat(self, image, section, mottle, pixel, tissue):
        around = np.minimum(section.epi, section.rv_wall)
        rim = around - np.float32(self.pericardial_fat) * (0.6 + mottle)
        paint(image, tissue["fat"] * np.float32(0.85), cover(rim, pixel))

    @staticmethod
    def _spot(image, x, y, cx, cy, radius, value, pixel, inside):
        """Drawn in its own window: dots are many and small."""
        shape = circle(x, y, cx, cy, radius)
        paint(image, value, cover(shape, pixel) * inside)
