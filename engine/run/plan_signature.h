// The signature of a plan file: section "sign" holds the Ed25519 key, 32 bytes, and the signature, 64.
//
// Signed is "Quadlane plan file 1" and the SHA-512 of the file as it is but for what depends on the signature, which
// counts as zeros: the checksums of header and table (bytes 28 to 31, 60 to 63), the section's checksum in the table,
// and the signature itself. Bytes between sections are signed, too.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/ed25519.h"

namespace quadlane::run {

struct Section;

struct PlanSignature {
  Ed25519Key key{};
  Ed25519Signature signature{};
  static constexpr size_t kBytes = 96;

  static PlanSignature read(std::span<const std::byte> section);
};

// What is signed of a file whose section `index` is the signature; sections lie inside the file.
std::vector<uint8_t> signed_message(std::span<const std::byte> file, std::span<const Section> sections, size_t index);

// 64 hexadecimal digits.
std::optional<Ed25519Key> parse_key(std::string_view hex);
std::string key_hex(const Ed25519Key&);

}  // namespace quadlane::run
