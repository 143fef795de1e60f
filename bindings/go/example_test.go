package recsys_test

import (
	"context"
	"errors"
	"fmt"

	"recsys"
)

func demo() *recsys.Store {
	store, err := recsys.OpenStore(":memory:", nil)
	if err != nil {
		panic(err)
	}
	items, err := store.Resolve(recsys.Items, []string{"boot", "shoe", "sandal", "bag"}, true)
	if err != nil {
		panic(err)
	}
	rows := []float32{1, 0.2, 0, 1, 0.4, 0, 0.8, 1, 0, 0, 0.1, 1}
	if err := store.PutEmbeddings("by hand", 3, items, nil, rows); err != nil {
		panic(err)
	}
	users, err := store.Resolve(recsys.Users, []string{"ada", "bob"}, true)
	if err != nil {
		panic(err)
	}
	_, err = store.PutRatings([]int64{users[0], users[0], users[1]}, []int64{items[0], items[3], items[0]}, []float32{5, 2, 4}, nil)
	if err != nil {
		panic(err)
	}
	return store
}

func ExampleStore_Similar() {
	store := demo()
	defer store.Close()
	items, _ := store.Resolve(recsys.Items, []string{"boot"}, false)
	least := 0.5
	lists, err := store.Similar(items, 5, &recsys.SearchOptions{Filter: &recsys.Filter{MinSimilarity: &least}})
	if err != nil {
		panic(err)
	}
	for _, entry := range lists.List(0) {
		key, _ := store.Key(recsys.Items, entry.Item)
		fmt.Printf("%.2f %s\n", entry.Score, key)
	}
	// Output:
	// 0.98 shoe
	// 0.77 sandal
}

func ExampleRanker_Recommend() {
	store := demo()
	defer store.Close()
	ranker, err := recsys.NewRanker(store, "visual rating_threshold=3", nil)
	if err != nil {
		panic(err)
	}
	defer ranker.Close()
	ctx := context.Background()
	if err := ranker.Fit(ctx, nil); err != nil {
		panic(err)
	}
	users, _ := store.Resolve(recsys.Users, []string{"bob"}, false)
	lists, err := ranker.Recommend(ctx, users, 2, nil)
	if err != nil {
		panic(err)
	}
	for _, entry := range lists.List(0) {
		key, _ := store.Key(recsys.Items, entry.Item)
		why, _ := ranker.Explain(users[0], entry.Item, 1, nil)
		because, _ := store.Key(recsys.Items, why.Reasons[0].Item)
		fmt.Printf("%.2f %s because of %s\n", entry.Score, key, because)
	}
	// Output:
	// 3.93 shoe because of boot
	// 3.06 sandal because of boot
}

func ExampleError() {
	store := demo()
	defer store.Close()
	_, err := recsys.NewRanker(store, "als factors=-1", nil)
	fmt.Println(errors.Is(err, recsys.Invalid))
	// Output: true
}
