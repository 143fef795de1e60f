/* The library's version, and the names of statuses. */
#include "recsys.h"

uint32_t recsys_version(void) {
  return RECSYS_VERSION_MAJOR * 1000000u + RECSYS_VERSION_MINOR * 1000u + RECSYS_VERSION_PATCH;
}

const char *recsys_status_name(recsys_status status) {
  switch (status) {
  case RECSYS_OK:
    return "RECSYS_OK";
  case RECSYS_EINVAL:
    return "RECSYS_EINVAL";
  case RECSYS_ENOMEM:
    return "RECSYS_ENOMEM";
  case RECSYS_EIO:
    return "RECSYS_EIO";
  case RECSYS_EFORMAT:
    return "RECSYS_EFORMAT";
  case RECSYS_EVERSION:
    return "RECSYS_EVERSION";
  case RECSYS_EUNSUPPORTED:
    return "RECSYS_EUNSUPPORTED";
  case RECSYS_ELIMIT:
    return "RECSYS_ELIMIT";
  case RECSYS_ENOTFOUND:
    return "RECSYS_ENOTFOUND";
  case RECSYS_EBUSY:
    return "RECSYS_EBUSY";
  case RECSYS_EREADONLY:
    return "RECSYS_EREADONLY";
  case RECSYS_EFULL:
    return "RECSYS_EFULL";
  case RECSYS_EMISMATCH:
    return "RECSYS_EMISMATCH";
  case RECSYS_ECANCELLED:
    return "RECSYS_ECANCELLED";
  case RECSYS_EPARTIAL:
    return "RECSYS_EPARTIAL";
  case RECSYS_ENOENGINE:
    return "RECSYS_ENOENGINE";
  case RECSYS_EENGINE:
    return "RECSYS_EENGINE";
  case RECSYS_EFORKED:
    return "RECSYS_EFORKED";
  case RECSYS_ENOTFITTED:
    return "RECSYS_ENOTFITTED";
  case RECSYS_EINTERNAL:
    return "RECSYS_EINTERNAL";
  case RECSYS_NOTE_FALLBACK_POPULAR:
    return "RECSYS_NOTE_FALLBACK_POPULAR";
  case RECSYS_NOTE_SHORT:
    return "RECSYS_NOTE_SHORT";
  default:
    return "unknown status";
  }
}
