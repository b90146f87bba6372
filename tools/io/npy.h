// NumPy's .npy files: versions 1 to 3, C order, both byte orders in, native little-endian out.
#pragma once

#include <string>

#include "engine/base/tensor.h"

namespace quadlane::tools {

// The header is checked before anything is allocated: known element type, sane shape, and as many bytes as it claims.
Result<Tensor> parse_npy(std::string_view bytes);
Result<Tensor> read_npy(const std::string& path);

std::string format_npy(const View&);
Status write_npy(const std::string& path, const View&);

}  // namespace quadlane::tools
