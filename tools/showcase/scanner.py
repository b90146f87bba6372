"""From tissues to a magnitude image: contrast, coil, field of view, noise."""
import numpy as np

from fields import blur, gauss_knots, smooth_field


class Scanner:
    def __init__(self, rng):
        u = rng.uniform
        blood = u(0.5, 1.0)
        muscle = blood * u(0.18, 0.55)
        self.tissue = {
            "blood": blood, "rv_blood": blood * u(0.85, 1.1), "muscle": muscle,
            "fat": u(0.45, 1.2), "lung": u(0.01, 0.12), "liver": blood * u(0.2, 0.65),
            "bone": u(0.2, 0.6), "air": u(0.0, 0.03), "filling": u(0.1, 0.7),
            "filling_spread": u(0.02, 0.3), "flow": u(0.0, 0.1), "trabeculae": u(0.0, 3.5),
        }
        self.coil_at = u(-80, 40), u(-130, -60)
        self.coil_gain, self.coil_width = u(0, 3.5), u(35, 90)
        self.bias = 0.15 * u() * gauss_knots(rng, 4)
        self.sharpness = u(0.45, 1.0)
        self.noise = u(0.004, 0.045)
        self.round_view = u(115, 150) if u() < 0.4 else None
        self.scale = u(250, 1500)

    def expose(self, image, x, y, rng):
        """Rician: noise on both quadrature channels, then the magnitude."""
        away = (x - np.float32(self.coil_at[0])) ** 2 + (y - np.float32(self.coil_at[1])) ** 2
        coil = 1 + self.coil_gain * np.exp(away * np.float32(-0.5 / self.coil_width ** 2))
        image = blur(image, self.sharpness) * coil * np.exp(smooth_field(self.bias, x.shape[0]))
        noise = rng.standard_normal((2,) + image.shape, dtype=np.float32) * np.float32(self.noise)
        image = np.hypot(image + noise[0], noise[1])
        if self.round_view:
            image[x * x + y * y > self.round_view ** 2] = 0
        return np.rint(image * np.float32(self.scale)).astype(np.int16)
