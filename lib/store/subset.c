/* Views with fewer ratings and events, and cores that stand on one fixed view: what an evaluation fits its rankers to.
 */
#include <math.h>

#include "store/store.h"

const recsys__view *recsys__view_subset(const recsys__view *from,
                                        bool (*keep)(void *context, int64_t user, const recsys__rating *rating),
                                        void *context) {
  int64_t id = -1;
  recsys__view *view = recsys__view_copy(from);
  while (view && recsys__view_users(from, id, &id, 1) == 1) {
    recsys__user *user = recsys__user_edit(&view->users, id);
    if (!user) {
      recsys__view_release(view);
      return NULL;
    }
    size_t kept = 0;
    for (size_t i = 0; i < user->count; i++)
      if (keep(context, id, &user->ratings[i]))
        user->ratings[kept++] = user->ratings[i];
    view->rating_count -= user->count - kept;
    user->count = kept;
    kept = 0;
    for (size_t i = 0; i < user->event_count; i++) {
      recsys__rating event = {user->events[i].item, user->events[i].time, NAN};
      if (keep(context, id, &event))
        user->events[kept++] = user->events[i];
    }
    view->event_count -= user->event_count - kept;
    user->event_count = kept;
  }
  return view;
}

recsys__store_core *recsys__store_core_over(const recsys__view *view) {
  recsys__store_core *core = recsys__core_new(recsys__store_core_threads(view->core));
  if (!core)
    return NULL;
  recsys__view_retain(view);
  union {
    const recsys__view *in;
    recsys__view *out;
  } unconst = {view}; /* cores hand their views out as const */
  core->view = unconst.out;
  return core;
}

recsys__store_core *recsys__store_core_share(recsys__store_core *core) {
  atomic_fetch_add(&core->handles, 1);
  return core;
}
