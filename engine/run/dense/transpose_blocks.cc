// Blocks of 8 x 8 elements go through registers: pairs of rows are interleaved three times, by 1, 2 and 4 elements.
//
//   a0 a1 a2 a3   b0 b1 b2 b3   ->   a0 b0 a1 b1 ..   ->   a0 b0 c0 d0 ..   ->   a0 b0 c0 d0 e0 f0 g0 h0
//
// Edges are copied element by element. Wider registers would gain nothing: the stores are what takes time.
#include "engine/run/dense/transpose_blocks.h"

#include <immintrin.h>

namespace quadlane::run {
namespace {

constexpr int64_t kBlock = 8;

[[gnu::target("avx2")]] void block(const uint32_t* src, int64_t src_step, uint32_t* dst, int64_t dst_step) {
  __m256 row[8], pair[8], quad[8];
  for (int i = 0; i < 8; ++i) row[i] = _mm256_loadu_ps(reinterpret_cast<const float*>(src + i * src_step));
  for (int i = 0; i < 8; i += 2) {
    pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    quad[i] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0x44);
    quad[i + 1] = _mm256_shuffle_ps(pair[i], pair[i + 2], 0xee);
    quad[i + 2] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0x44);
    quad[i + 3] = _mm256_shuffle_ps(pair[i + 1], pair[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    auto* low = reinterpret_cast<float*>(dst + i * dst_step);
    auto* high = reinterpret_cast<float*>(dst + (i + 4) * dst_step);
    _mm256_storeu_ps(low, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x20));
    _mm256_storeu_ps(high, _mm256_permute2f128_ps(quad[i], quad[i + 4], 0x31));
  }
}

// Bytes: the eight rows lie in two registers of 32 bytes after the loads, one shuffle brings 4 x 4 blocks together.
[[gnu::target("avx2")]] void block(const uint8_t* src, int64_t src_step, uint8_t* dst, int64_t dst_step) {
  __m128i row[8], pair[4], quad[4];
  for (int i = 0; i < 8; ++i) row[i] = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(src + i * src_step));
  for (int i = 0; i < 4; ++i) pair[i] = _mm_unpacklo_epi8(row[2 * i], row[2 * i + 1]);
  for (int i = 0; i < 2; ++i) {
    quad[2 * i] = _mm_unpacklo_epi16(pair[2 * i], pair[2 * i + 1]);
    quad[2 * i + 1] = _mm_unpackhi_epi16(pair[2 * i], pair[2 * i + 1]);
  }
  const __m128i columns[4] = {_mm_unpacklo_epi32(quad[0], quad[2]), _mm_unpackhi_epi32(quad[0], quad[2]),
                              _mm_unpacklo_epi32(quad[1], quad[3]), _mm_unpackhi_epi32(quad[1], quad[3])};
  for (int i = 0; i < 4; ++i) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(dst + 2 * i * dst_step), columns[i]);
    _mm_storeh_pd(reinterpret_cast<double*>(dst + (2 * i + 1) * dst_step), _mm_castsi128_pd(columns[i]));
  }
}

template <class T>
void elements(const T* src, int64_t src_step, T* dst, int64_t dst_step, int64_t rows, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c)
    for (int64_t r = 0; r < rows; ++r) dst[c * dst_step + r] = src[r * src_step + c];
}

// All but the edges in blocks.
template <class T>
void blocks(const T* src, int64_t src_step, T* dst, int64_t dst_step, int64_t rows, int64_t columns) {
  const int64_t whole_rows = rows / kBlock * kBlock, whole_columns = columns / kBlock * kBlock;
  for (int64_t c = 0; c < whole_columns; c += kBlock)
    for (int64_t r = 0; r < whole_rows; r += kBlock)
      block(src + r * src_step + c, src_step, dst + c * dst_step + r, dst_step);
  elements(src + whole_columns, src_step, dst + whole_columns * dst_step, dst_step, whole_rows,
           columns - whole_columns);
  elements(src + whole_rows * src_step, src_step, dst + whole_rows, dst_step, rows - whole_rows, columns);
}

}  // namespace

void transpose_block(const uint8_t* src, int64_t src_step, uint8_t* dst, int64_t dst_step, int64_t rows,
                     int64_t columns) {
  blocks(src, src_step, dst, dst_step, rows, columns);
}
void transpose_block(const uint16_t* src, int64_t src_step, uint16_t* dst, int64_t dst_step, int64_t rows,
                     int64_t columns) {
  elements(src, src_step, dst, dst_step, rows, columns);
}
void transpose_block(const uint32_t* src, int64_t src_step, uint32_t* dst, int64_t dst_step, int64_t rows,
                     int64_t columns) {
  blocks(src, src_step, dst, dst_step, rows, columns);
}
void transpose_block(const uint64_t* src, int64_t src_step, uint64_t* dst, int64_t dst_step, int64_t rows,
                     int64_t columns) {
  elements(src, src_step, dst, dst_step, rows, columns);
}

}  // namespace quadlane::run
