// CRC-32C (Castagnoli): finds every changed bit, gigabytes a second. Against accidents; a signature is sha256.h's
// matter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace quadlane {

uint32_t crc32c(std::span<const std::byte>);

}  // namespace quadlane
