// SPDX-License-Identifier: Apache-2.0
//
// rbd/pool/image: an image of a Ceph cluster as a LUN.

#include <tcmud/handler.hpp>

#include "rbd_handler.h"

TCMUD_REGISTER_HANDLER_CLASS(tcmud::rbd::RbdHandler);
