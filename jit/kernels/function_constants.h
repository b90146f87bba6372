// Polynomials of the f32 functions, lowest power last as a Horner scheme of fused multiply-adds reads them. What is
// stated is the largest relative error of the function as it is generated from them.
#pragma once

namespace quadlane::function_constants {

// exp(t) = 2^n * exp(r), n = round(t / ln 2), r = t - n * ln 2 in two parts, the first times n exact; |r| <= ln 2 / 2.
// exp(r) = 1 + r + r^2 * q(r).  2e-7
inline constexpr float kInverseLn2 = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
inline constexpr float kExp[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
// Beyond it 2^n leaves the exponents of normal numbers.
inline constexpr float kExpBound = 87.0f;

// log(m) = m' - m'^2 / 2 + m'^3 * q(m'), m' = m - 1, for sqrt(1/2) <= m < sqrt(2).  2e-7 and 1e-7 absolute around 1
inline constexpr float kLog[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                                 -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                                 2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};

// log(1 + t) = t * q(t) for 0 <= t <= 1.  2e-7
inline constexpr float kLog1p[] = {-0.003176057018f, 0.01954252726f, -0.05637361283f, 0.105436238f,   -0.1526966707f,
                                   0.1966327426f,    -0.2495161626f, 0.333297105f,    -0.4999989265f, 0.9999999947f};

// tanh(x) = x * p(x^2) / q(x^2) for |x| <= bound, where it reaches 1.  3e-7
inline constexpr float kTanhBound = 7.90531110763549805f;
inline constexpr float kTanhP[] = {-2.76076847742355e-16f, 2.00018790482477e-13f, -8.60467152213735e-11f,
                                   5.12229709037114e-08f,  1.48572235717979e-05f, 6.37261928875436e-04f,
                                   4.89352455891786e-03f};
inline constexpr float kTanhQ[] = {1.19825839466702e-06f, 1.18534705686654e-04f, 2.26843463243900e-03f,
                                   4.89352518554385e-03f};

// erf(x) likewise.  4e-7
inline constexpr float kErfBound = 4.0f;
inline constexpr float kErfP[] = {-2.72614225801306e-10f, 2.77068142495902e-08f,  -2.10102402082508e-06f,
                                  -5.69250639462346e-05f, -7.34990630326855e-04f, -2.95459980854025e-03f,
                                  -1.60960333262415e-02f};
inline constexpr float kErfQ[] = {-1.45660718464996e-05f, -2.13374055278905e-04f, -1.68282697438203e-03f,
                                  -7.37332916720468e-03f, -1.42647390514189e-02f};

}  // namespace quadlane::function_constants
