// dst[c * dst_step + r] = src[r * src_step + c]: a matrix of `rows` rows that are contiguous in the source becomes one
// whose columns are contiguous in the destination.
#pragma once

#include <cstdint>

namespace quadlane::run {

void transpose_block(const uint8_t* src, int64_t src_step, uint8_t* dst, int64_t dst_step, int64_t rows,
                     int64_t columns);
void transpose_block(const uint16_t* src, int64_t src_step, uint16_t* dst, int64_t dst_step, int64_t rows,
                     int64_t columns);
void transpose_block(const uint32_t* src, int64_t src_step, uint32_t* dst, int64_t dst_step, int64_t rows,
                     int64_t columns);
void transpose_block(const uint64_t* src, int64_t src_step, uint64_t* dst, int64_t dst_step, int64_t rows,
                     int64_t columns);

}  // namespace quadlane::run
