// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include <tcmud/handler.hpp>

namespace tcmud::file {

// Open-file-description locks on the bytes that qemu uses for images, so that each of us refuses
// what the other holds.
//
// The protocol has a byte for each permission: 100 + p is held shared by whoever uses p, 200 + p by
// whoever does not let others use it. After taking its own bytes a party looks whether anyone holds
// the opposite ones. Two that start at the same time may both be refused; never do both get in.
// Permissions: 0 consistent read, 1 write, 3 resize.
//
// A writer uses all three and shares reading alone; a reader uses reading and shares reading alone.
// As every reader also needs unchanging data, many readers or one writer get in.
//
// The lock belongs to the open file, not to the process: an I/O still on its way in the kernel
// keeps the file open, and with it the lock, even after the process was killed.
enum class Access { kReader, kWriter };

// Takes the locks on fd. EAGAIN: somebody else has them, and the reason names the process if the
// system knows it.
[[nodiscard]] std::optional<api::Refusal> lock_image(int fd, Access access,
                                                     const std::string& path);

// Gives them back before the descriptor closes, when every I/O is done.
void unlock_image(int fd);

}  // namespace tcmud::file
