// SHA-256 (FIPS 180-4), to name files in provenance records.
#pragma once

#include <string>
#include <string_view>

namespace quadlane {

std::string sha256_hex(std::string_view bytes);

}  // namespace quadlane
