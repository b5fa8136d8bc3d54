/* SPDX-License-Identifier: Apache-2.0 */
int tcmud_handler_of_another_kind;
