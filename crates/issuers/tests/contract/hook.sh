# A hook that keeps keys in files, and fails as the file `fault` (first word: whether only
# changes fail or all; second word: how) tells it to, once.
folder=$(dirname "$0")
request=$(cat)
field() { printf %s "$request" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
verb=$(field verb)
[ "$verb" = list ] || echo "$request" >> "$folder/sent"

fault=
if [ -f "$folder/fault" ]; then
    read -r whom how < "$folder/fault"
    if [ "$whom" = any ] || [ "$verb" != list ]; then
        fault=$how
        mv "$folder/fault" "$folder/met"
    fi
fi

case $fault in
    refuse) exit 10 ;;
    fail_before) exit 1 ;;
    die_before) kill -9 $$ ;;
    hang_before) exec sleep 30 ;;
esac

answer=
case $verb in
    mint)
        count=$(($(cat "$folder/count" 2>/dev/null || echo 100) + 1))
        echo "$count" > "$folder/count"
        id=key-000$count
        value=relatch-static-$count-0123456789
        printf '%s\n%s\n' "$(field name)" "$value" > "$folder/keys/$id"
        answer="{\"id\":\"$id\",\"value\":\"$value\"}"
        ;;
    delete) rm -f "$folder/keys/$(field key_id)" ;;
    list)
        keys=
        for file in "$folder"/keys/*; do
            [ -f "$file" ] || continue
            keys="$keys,{\"id\":\"$(basename "$file")\",\"name\":\"$(head -n 1 "$file")\"}"
        done
        answer="{\"keys\":[${keys#,}]}"
        ;;
esac

case $fault in
    fail_after) exit 1 ;;
    die_after) kill -9 $$ ;;
    hang_after) exec sleep 30 ;;
    garbage) answer='neither { JSON' ;;
    half) answer=$(printf %s "$answer" | cut -c 1-12) ;;
esac
printf %s "$answer"
