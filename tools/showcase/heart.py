"""A beating heart cut into short-axis slices.

The left ventricle is a tapered tube with a closed apex. Over the cycle its
radius and its length shrink so that the cavity's volume falls by exactly the
chosen ejection fraction, while the volume of the muscle stays the same (the
wall thickens). Slices are named by their depth in mm below the valve plane at
end-diastole; the apex stays, the valve plane comes down to it.

Labels: 0 background, 1 right ventricle, 2 myocardium, 3 left ventricle.
Papillary muscles and trabeculae count as LV cavity, as is clinical custom.
"""
from dataclasses import dataclass

import numpy as np

from fields import circle, cover, ellipse, paint

RV, MYO, LV = 1, 2, 3
SYSTOLE_END = 0.38  # of the cycle


def activation(phase):
    """0 at end-diastole (phase 0), 1 at end-systole, 0 again at phase 1; the
    filling has a fast part and a slow one."""
    phase = phase % 1.0
    if phase <= SYSTOLE_END:
        return float(np.sin(0.5 * np.pi * phase / SYSTOLE_END) ** 2)
    rest = (phase - SYSTOLE_END) / (1 - SYSTOLE_END)
    return float(np.cos(0.5 * np.pi * rest ** 0.7) ** 2)


@dataclass
class Section:
    """One slice at one phase: signed distances in mm, and where it lies."""
    depth: float            # 0 valve plane, 1 apex of the cavity
    endo: np.ndarray
    epi: np.ndarray
    rv: np.ndarray
    rv_wall: np.ndarray
    endo_radius: float
    epi_radius: float
    centre: tuple


class Heart:
    def __init__(self, rng):
        u = rng.uniform
        self.ejection = u(0.2, 0.75)
        self.shortening = self.ejection * u(0.12, 0.32)
        self.length = u(62, 105)
        self.radius = u(19, 33)
        self.wall = u(5.5, 14) if u() < 0.8 else u(12, 19)
        self.thin_apex = u(0.1, 0.5)
        self.power = u(1.6, 3.4)
        self.centre = rng.normal(0, 9, 2)
        self.lean = rng.normal(0, 0.14, 2)
        self.ripple = u(0, 0.07), u(0, 2 * np.pi), u(0, 0.035), u(0, 2 * np.pi)
        self.uneven = u(0, 0.28), u(0, 2 * np.pi)
        self.septum = np.pi + rng.normal(0.15, 0.35)
        self.rv_depth = u(17, 44)
        self.rv_breadth = u(0.9, 1.35)
        self.rv_apex = u(0.65, 0.98)
        self.rv_ejection = np.clip(self.ejection + rng.normal(0, 0.1), 0.15, 0.75)
        self.rv_tilt = rng.normal(0, 0.3)
        self.rv_wall = u(1.5, 4.0)
        self.papillary = [(self.septum + side * u(1.7, 2.5), u(0.45, 0.78), u(2.2, 5.2))
                          for side in (-1, 1)]
        self.papillary_span = u(0.05, 0.3), u(0.6, 0.9)

    def depth(self, below_base, act):
        drop = self.length * self.shortening * act
        return (below_base - drop) / (self.length - drop)

    def _endo_radius(self, depth, act):
        """Cavity volume goes with length * radius^2: solve for the radius."""
        kept = (1 - self.ejection * act) / (1 - self.shortening * act)
        taper = max(0.0, 1 - max(depth, 0.0) ** self.power) ** 0.5
        return self.radius * taper * kept ** 0.5

    def _epi_radius(self, depth, act):
        inside = min(max(depth, 0.0), 1.0)
        relaxed = self._endo_radius(inside, 0)
        wall = self.wall * (1 - self.thin_apex * inside ** 2)
        muscle = ((relaxed + wall) ** 2 - relaxed ** 2) / (1 - self.shortening * act)
        cap = self.wall / self.length
        muscle *= max(0.0, 1 - (max(depth - 1, 0) / cap) ** 2)
        return (self._endo_radius(depth, act) ** 2 + muscle) ** 0.5

    def section(self, x, y, below_base, phase):
        act = activation(phase)
        depth = self.depth(below_base, act)
        cx, cy = self.centre + self.lean * (below_base - 0.5 * self.length)
        dx, dy = x - np.float32(cx), y - np.float32(cy)
        rho, theta = np.hypot(dx, dy), np.arctan2(dy, dx)
        r, e = self._endo_radius(depth, act), self._epi_radius(depth, act)
        e2, p2, e3, p3 = self.ripple
        wave = 1 + e2 * np.cos(2 * (theta - np.float32(p2))) + e3 * np.cos(3 * (theta - np.float32(p3)))
        h, ph = self.uneven
        wall = (e - r) * (1 + h * np.cos(theta - np.float32(ph)))
        if depth < 0:  # above the valves: an atrium or outflow tract, thin wall
            wall = np.float32(2.5)
        endo = rho - np.float32(r) * wave
        epi = endo - wall
        rv, rv_wall = self._right(x, y, depth, act, e, epi, cx, cy)
        return Section(depth, endo, epi, rv, rv_wall, r, e, (cx, cy))

    def _right(self, x, y, depth, act, e, epi, cx, cy):
        """A blob on the septal side, cut off by the left ventricle."""
        reach = max(0.0, 1 - (max(depth, 0) / self.rv_apex) ** 2) ** 0.5
        squeeze = 1 - 0.75 * self.rv_ejection * act
        free_wall = e + self.rv_depth * reach * squeeze
        behind = 0.15 * e
        across = max(self.rv_breadth * (e + 4) * (0.35 + 0.65 * reach) * squeeze ** 0.35, 2)
        along = max(0.5 * (free_wall - behind), 2)
        mid = 0.5 * (free_wall + behind)
        blob = ellipse(x, y, cx + mid * np.cos(self.septum), cy + mid * np.sin(self.septum),
                       along, across, self.septum + self.rv_tilt * 0.5)
        if reach < 0.2:
            blob = np.full_like(blob, 99)
        return np.maximum(blob, -epi), blob - np.float32(self.rv_wall)

    def labels(self, section):
        out = np.zeros(section.endo.shape, np.uint8)
        if section.depth > -0.05:
            out[section.rv < 0] = RV
        if section.depth >= 0:
            out[section.epi < 0] = MYO
            if section.endo_radius > 0:
                out[section.endo < 0] = LV
        return out

    def draw(self, image, section, pixel, tissue, mottle, act, x, y):
        """Muscle first, blood into it, papillary muscles into the blood."""
        paint(image, tissue["muscle"], cover(np.minimum(section.rv_wall, section.epi), pixel))
        flow = 1 + tissue["flow"] * mottle
        rough = section.rv + tissue["trabeculae"] * np.abs(mottle)
        paint(image, tissue["rv_blood"] * flow, cover(rough, pixel))
        if section.endo_radius <= 0:
            return
        rough = section.endo + 0.6 * tissue["trabeculae"] * np.maximum(mottle, 0)
        paint(image, tissue["blood"] * flow, cover(rough, pixel))
        first, last = self.papillary_span
        if not first < section.depth < last:
            return
        for angle, place, radius in self.papillary:
            at = place * max(section.endo_radius - 0.5 * radius, 0)
            px = section.centre[0] + at * np.cos(angle)
            py = section.centre[1] + at * np.sin(angle)
            alpha = cover(circle(x, y, px, py, radius), pixel) * cover(section.endo, pixel)
            paint(image, tissue["muscle"], alpha * np.float32(0.9))
